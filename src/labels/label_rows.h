// What the files of this folder share: rows of the store as queues and tasks.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "labels/label_queue.h"

namespace firesteel::label_rows {

Error bad(std::string message);  // kInvalidArgument
Error no_queue(const std::string& name);
Json parsed(const std::string& text);  // null where the text is no JSON
LabelQueue queue_of(const Row& row);   // columns in the order of find_queue
LabelTask task_of(const Row& row);     // id, tenant, queue, payload, disagreement_ppm, gold, n_wanted, n_done, state, user_id, variant, prompt_digest, feedback, asked_us, created_us
Result<LabelQueue> find_queue(Reader& reader, const TenantId& tenant, const std::string& name);
bool is_true(const Json& value, std::string_view name);
// Whether a label says what the gold item's does: of choices the side counts, not how much better.
bool gold_right(const std::string& gold, const Json& value);

}  // namespace firesteel::label_rows
