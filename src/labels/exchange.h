// Labels and feedback in the formats of other tools, both ways.
//
//   messages      one {"messages": [...]} a line: corrected or preferred answers
//   openai        OpenAI's fine-tuning file: the same, and for preferences {"input": {"messages"}, "preferred_output", "non_preferred_output"}
//   pairs         {"prompt", "chosen", "rejected"} a line, what `tune dpo` reads
//   label-studio  Label Studio's JSON list of tasks with annotations
//   open-webui    Open WebUI's list of feedback (import only)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "labels/label_queue.h"

namespace firesteel {

struct ImportedTasks {
  std::vector<LabelTask> tasks = {};
  struct Rejected {
    int64_t row = 0;  // line, or place in the list, from 1
    std::string reason = {};
  };
  std::vector<Rejected> rejected = {};
};

// Tasks for a queue of this kind out of a file of any format above (pairs give pairwise tasks, messages correction tasks). The whole file must be UTF-8; a bad
// row is named and the rest is taken. kInvalidArgument when the file as a whole is none of the format, kResourceExhausted above 64 MiB or 100,000 rows.
Result<ImportedTasks> import_tasks(std::string_view format, std::string_view text);

// Lines of JSON with their lineage members (tenant, user, variant, prompt_digest, consent: true), ready for `data ingest`: pairwise labels become preferences (majority of the
// choices; ties are left out), corrections become messages, or a preference of the correction over the better answer. Flagged tasks are left out.
// kInvalidArgument names an unknown format.
Result<std::string> export_labels(std::string_view format, const LabelQueue& queue, const std::vector<LabelQueues::Judged>& judged);

}  // namespace firesteel
