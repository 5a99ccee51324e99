// refine: drafts, what they agree on and where they differ in a workspace of bounded size, and an answer written from that.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agents/contemplate.h"
#include "agents/prompts.h"

namespace firesteel {
namespace {

constexpr int64_t kNotesTokens = 256;   // the workspace
constexpr size_t kNotesBytes = 4000;
constexpr size_t kDraftBytes = 3000;    // of a draft, as it is read again

}  // namespace

AgentAnswer run_refine(AgentRun* run, const StrategyInput& input) {
  const std::string question = question_of(std::get<ChatPrompt>(input.base.prompt).messages);
  const int n_drafts = std::clamp(input.params.n_agents, 2, kFanOutMax);
  std::vector<int> lanes;
  for (int k = 0; k < n_drafts; ++k) {
    LaneTask task{.key = fmt::format("draft/{}", k + 1), .role = "draft", .title = fmt::format("Draft {}", k + 1),
                  .request = with_thinking(input.base, input.info.can_think, input.info), .parent = input.parent, .with_tools = true};
    task.request.constraint.reset();
    task.request.sampling.seed = input.base.sampling.seed + static_cast<uint64_t>(k);
    task.request.sampling.n_top_logprobs = 0;
    if (task.request.sampling.temperature <= 0) task.request.sampling.temperature = 0.7;
    lanes.push_back(run->start(std::move(task)));
  }
  int best = -1;
  std::vector<std::string> drafts;
  for (const int id : lanes) {
    const LaneRecord& lane = run->wait(id);
    if (lane.text.empty() || !(lane.ok() || lane.state == LaneState::kCut)) continue;
    drafts.push_back(cut_text(lane.text, kDraftBytes));
    if (best < 0 || (lane.ok() && (!run->lane(best).ok() || lane.mean_logprob > run->lane(best).mean_logprob))) best = id;
  }
  if (best < 0) return answer_of(run->lane(lanes.front()));
  if (drafts.size() < 2) run->note("only one draft is left");

  AgentAnswer answer = answer_of(run->lane(best));
  for (int round = 1; round <= input.params.n_rounds; ++round) {
    LaneTask distil{.key = fmt::format("distil/{}", round), .role = "distil", .title = "Notes on the drafts",
                    .request = with_question(input.base, distil_prompt(question, drafts), /*thinking=*/false, input.info), .parent = best};
    distil.request.stop.max_tokens = kNotesTokens;
    const int notes_id = run->start(std::move(distil));
    const LaneRecord& notes = run->wait(notes_id);
    const bool usable = !notes.text.empty() && (notes.ok() || notes.state == LaneState::kCut);
    if (!usable) {
      run->note("the drafts could not be distilled; the best one is the answer");
      return answer;
    }
    LaneTask refine{.key = fmt::format("refine/{}", round), .role = "refine", .title = fmt::format("Refinement {}", round),
                    .request = with_question(input.base, refine_prompt(question, cut_text(notes.text, kNotesBytes)), input.info.can_think, input.info), .parent = notes_id, .with_tools = true};
    refine.request.constraint = input.base.constraint;
    refine.request.sampling.seed = input.base.sampling.seed + static_cast<uint64_t>(n_drafts + round);
    const int refined_id = run->start(std::move(refine));
    const LaneRecord& refined = run->wait(refined_id);
    if (refined.text.empty() || !(refined.ok() || refined.state == LaneState::kCut)) {
      run->note("the refinement failed; the best draft is the answer");
      return answer;
    }
    answer = answer_of(refined);
    if (!refined.ok()) return answer;
    // What the next round reads beside the notes' subject: this answer and the best draft so far.
    drafts = {cut_text(refined.text, kDraftBytes), cut_text(run->lane(best).text, kDraftBytes)};
    best = refined_id;
  }
  return answer;
}

}  // namespace firesteel
