// What people said about stored answers, as tasks for a queue: only where the feedback carries consent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "labels/label_queue.h"
#include "schema/ids.h"
#include "store/store.h"

namespace firesteel {

// For a pairwise queue: two answers of one vote that disagreed (the branches of a run of subagents), an answer and the correction that its reader wrote, or two answers between
// which their reader chose.
// For the other kinds: the answer, unhappy readers first. Ids are derived from message and kind, so collecting again adds nothing twice.
// At most `limit` newest feedback rows are looked at.
Result<std::vector<LabelTask>> collect_tasks(Store& store, const TenantId& tenant, const std::string& kind, int64_t limit);

// Consented feedback as lines for `data ingest`: corrections and choices between two answers become {"prompt", "chosen", "rejected"}, thumbs up {"messages"}; with tenant, user, variant,
// prompt_digest, feedback, at and consent.
Result<std::string> export_feedback(Store& store, const TenantId& tenant, int64_t limit);

// Every feedback row, label task and label about what this user said. Returns how many rows went.
Result<int64_t> erase_feedback(Store& store, const TenantId& tenant, const std::string& user);

}  // namespace firesteel
