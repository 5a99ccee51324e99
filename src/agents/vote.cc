// vote: samples with different seeds, the most frequent (or weightiest) answer, and an early stop (ballot.h).
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agents/answer_key.h"
#include "agents/ballot.h"
#include "agents/contemplate.h"
#include "agents/prompts.h"

namespace firesteel {
namespace {

constexpr double kTemperature = 0.7;  // where the request's is 0, all samples would be the same

Json ballot_json(const Ballot& ballot, double error_bound) {
  Json::Array candidates;
  for (const Ballot::Candidate& one : ballot.ranking()) {
    candidates.push_back(Json::Object{{"answer", one.answer.shown}, {"kind", answer_kind_name(one.answer.kind)}, {"votes", one.n_votes},
                                      {"weight", static_cast<double>(one.units) / static_cast<double>(kVoteUnits)}});
  }
  return Json::Object{{"samples", ballot.n_samples()}, {"counted", ballot.n_counted()}, {"by", vote_by_name(ballot.vote_by())}, {"agreement", ballot.agreement()},
                      {"agreement_by_weight", ballot.agreement_by_weight()}, {"error_bound", error_bound}, {"margin", ballot.margin()}, {"answers", std::move(candidates)}};
}

}  // namespace

AgentAnswer run_vote(AgentRun* run, const StrategyInput& input) {
  const int n_samples = std::max(2, input.params.n_agents);
  Ballot ballot(n_samples, input.params.error_bound, input.params.vote_by);
  std::vector<int> lanes;     // by sample
  std::vector<char> ended(static_cast<size_t>(n_samples), 0);
  std::vector<AnswerKey> keys(static_cast<size_t>(n_samples));
  const auto start_next = [&] {
    const auto k = lanes.size();
    LaneTask task{.key = "sample/" + std::to_string(k + 1), .role = "sample", .title = "Sample " + std::to_string(k + 1),
                  .request = with_thinking(input.base, input.info.can_think, input.info), .parent = input.parent, .with_tools = true};
    if (task.request.sampling.temperature <= 0) task.request.sampling.temperature = kTemperature;
    task.request.sampling.seed = input.base.sampling.seed + k;
    task.request.sampling.n_top_logprobs = 0;
    lanes.push_back(run->start(std::move(task)));
  };
  // No more run at a time than it takes at least to decide, unless the request wants more of them: none is begun in vain. They are
  // counted in their order.
  while (!ballot.decided()) {
    const auto n_ended = static_cast<int>(std::count(ended.begin(), ended.end(), 1));
    const int n_wanted = input.params.n_at_once > 0 ? input.params.n_at_once + n_ended : ballot.n_counted() + ballot.n_needed();
    while (static_cast<int>(lanes.size()) < std::min(n_samples, n_wanted)) start_next();
    const int lane = run->wait_any();
    if (lane < 0) break;
    const auto found = std::find(lanes.begin(), lanes.end(), lane);
    if (found == lanes.end()) continue;
    const auto sample = static_cast<size_t>(found - lanes.begin());
    ended[sample] = 1;
    if (run->lane(lane).ok()) keys[sample] = answer_key(run->lane(lane).text);
    while (!ballot.decided() && ended[static_cast<size_t>(ballot.n_counted())] != 0) {
      const auto next = static_cast<size_t>(ballot.n_counted());
      ballot.add(keys[next], vote_units(run->lane(lanes[next]).mean_logprob));
    }
  }
  const int n_spared = n_samples - ballot.n_counted();
  if (n_spared > 0) run->note(fmt::format("decided after {} of {} samples", ballot.n_counted(), n_samples));
  run->cancel_all();
  run->wait_all();

  Json details = run->ledger().details.is_null() ? Json(Json::Object{}) : run->ledger().details;
  details.set("vote", ballot_json(ballot, input.params.error_bound));
  run->ledger().details = std::move(details);

  const std::vector<Ballot::Candidate> ranking = ballot.ranking();
  int best = -1;
  for (int k = 0; k < ballot.n_counted() && !ranking.empty(); ++k) {
    const int lane = lanes[static_cast<size_t>(k)];
    if (!(keys[static_cast<size_t>(k)] == ranking.front().answer) || !run->lane(lane).ok()) continue;
    if (best < 0 || run->lane(lane).mean_logprob > run->lane(best).mean_logprob) best = lane;
  }
  if (best >= 0) {
    AgentAnswer answer = answer_of(run->lane(best));
    answer.agreement = ballot.agreement();
    return answer;
  }
  // Nobody said anything that counts: the first that said something at all, or the first's end.
  int fallback = lanes.empty() ? -1 : lanes.front();
  for (const int lane : lanes) {
    if (run->lane(fallback).text.empty() && !run->lane(lane).text.empty()) fallback = lane;
  }
  return fallback < 0 ? AgentAnswer{.reason = FinishReason::kError, .error = {ErrorCode::kInternal, "vote: no sample was drawn"}} : answer_of(run->lane(fallback));
}

}  // namespace firesteel
