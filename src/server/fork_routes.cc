#include "server/fork_routes.h"

#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "server/conversation_json.h"
#include "server/generation_reply.h"
#include "server/own_api.h"
#include "server/running_answers.h"

namespace firesteel {
namespace {

constexpr size_t kBranchesMax = kFanOutMax;
constexpr int64_t kTokensMax = int64_t{1} << 40;
constexpr int64_t kDeadlineMsMax = 24 * 3600 * 1000;
constexpr size_t kSuffixBytesMax = 1u << 20;

Error wrong(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

enum class Join : uint8_t { kAll, kFirst, kBest, kVote };

struct ForkAsked {
  ForkWork work;
  Join join = Join::kAll;
  std::string join_name = "all";
  bool stream = false;
  uint64_t seed = 0;
};

// The conversation, text or ids that all branches begin with.
Result<Prompt> read_context(const Json& body) {
  const Json* context = body.find("context");
  if (context == nullptr) return wrong("context: missing");
  if (context->is_string()) return Prompt{RawPrompt{context->as_string()}};
  if (context->is_array()) {
    TokenPrompt prompt;
    for (const Json& id : context->as_array()) {
      if (!id.is_int() || id.as_int() < 0 || id.as_int() > INT32_MAX) return wrong("context: expected token ids");
      prompt.ids.push_back(static_cast<TokenId>(id.as_int()));
    }
    return Prompt{std::move(prompt)};
  }
  const Json* messages = context->find("messages");
  if (messages == nullptr || !messages->is_array()) return wrong("context: expected a text, token ids, or an object with messages");
  ChatPrompt prompt;
  for (const Json& message : messages->as_array()) {
    const Json* role = message.find("role");
    const Json* content = message.find("content");
    const bool known = role != nullptr && role->is_string() && (role->as_string() == "system" || role->as_string() == "user" || role->as_string() == "assistant");
    if (!known || content == nullptr || !content->is_string()) return wrong("context.messages: expected objects with role (system, user, assistant) and content (a string)");
  }
  prompt.messages = *messages;
  FS_TRY(const std::optional<bool> thinking, bool_field(*context, "thinking"));
  if (thinking) prompt.template_variables = Json::Object{{"enable_thinking", *thinking}};
  prompt.now_unix_s = wall_clock().now_us() / 1'000'000;
  return Prompt{std::move(prompt)};
}

// Sampling and limits, of the whole request or of one branch, which begins with the request's.
Status read_branch_fields(const Json& json, int64_t now_us, BranchRequest* out) {
  SamplingParams& sampling = out->sampling;
  FS_TRY(const std::optional<double> temperature, number_field(json, "temperature", 0, 2));
  FS_TRY(const std::optional<double> top_p, number_field(json, "top_p", 0, 1));
  FS_TRY(const std::optional<double> min_p, number_field(json, "min_p", 0, 1));
  FS_TRY(const std::optional<int64_t> top_k, int_field(json, "top_k", 0, 1 << 24));
  FS_TRY(const std::optional<int64_t> max_tokens, int_field(json, "max_tokens", 1, kTokensMax));
  FS_TRY(const std::optional<int64_t> thinking, int_field(json, "thinking_budget", 0, kTokensMax));
  FS_TRY(const std::optional<int64_t> deadline_ms, int_field(json, "deadline_ms", 1, kDeadlineMsMax));
  if (temperature) sampling.temperature = *temperature;
  if (top_p) sampling.top_p = *top_p;
  if (min_p) sampling.min_p = *min_p;
  if (top_k) sampling.top_k = static_cast<int>(*top_k);
  if (max_tokens) out->stop.max_tokens = *max_tokens;
  if (thinking) out->stop.thinking_budget = *thinking;
  if (deadline_ms) out->deadline_us = now_us + *deadline_ms * 1000;
  if (const Json* stop = json.find("stop"); stop != nullptr && !stop->is_null()) {
    const Json::Array list = stop->is_array() ? stop->as_array() : Json::Array{*stop};
    out->stop.strings.clear();
    for (const Json& text : list) {
      if (!text.is_string() || text.as_string().empty() || list.size() > 16) return wrong("stop: expected a string, or at most 16");
      out->stop.strings.push_back(text.as_string());
    }
  }
  if (const Json* schema = json.find("json_schema"); schema != nullptr && !schema->is_null()) {
    if (!schema->is_object()) return wrong("json_schema: expected an object");
    out->constraint = Constraint{Constraint::Kind::kJsonSchema, schema->dump()};
  }
  return {};
}

Status check_names(const Json& json, std::initializer_list<std::string_view> known, const std::string& place) {
  for (const auto& [name, value] : json.as_object()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) return wrong(place + name + ": unknown parameter");
  }
  return {};
}

Result<ForkAsked> read_fork(const Json& body, bool can_vote) {
  FS_TRY_VOID(check_names(body, {"model", "context", "branches", "join", "first_k", "budget_tokens", "seed", "stream", "temperature", "top_p", "min_p", "top_k",
                                 "max_tokens", "thinking_budget", "deadline_ms", "stop", "json_schema"}, ""));
  ForkAsked asked;
  FS_TRY(asked.work.context, read_context(body));
  FS_TRY(const std::optional<int64_t> seed, int_field(body, "seed", INT64_MIN, INT64_MAX));
  if (seed) {
    asked.seed = static_cast<uint64_t>(*seed);
  } else {
    if (getrandom(&asked.seed, sizeof asked.seed, 0) != sizeof asked.seed) asked.seed = static_cast<uint64_t>(system_clock().now_us());
    asked.seed &= (uint64_t{1} << 53) - 1;  // a JSON reader can hold it exactly
  }
  FS_TRY(const std::optional<bool> stream, bool_field(body, "stream"));
  asked.stream = stream.value_or(false);

  FS_TRY(const std::optional<std::string> join, string_field(body, "join", 16));
  asked.join_name = join.value_or("all");
  const std::map<std::string, Join> joins = {{"all", Join::kAll}, {"first", Join::kFirst}, {"best", Join::kBest}, {"vote", Join::kVote}};
  const auto found = joins.find(asked.join_name);
  if (found == joins.end()) return wrong("join: expected all, first, best or vote, found " + asked.join_name);
  asked.join = found->second;
  if (asked.join == Join::kVote && !can_vote) return wrong("join: this server counts no votes; expected all, first or best");
  FS_TRY(const std::optional<int64_t> first_k, int_field(body, "first_k", 1, static_cast<int64_t>(kBranchesMax)));
  if (first_k && asked.join != Join::kFirst) return wrong("first_k: only with join first");
  FS_TRY(const std::optional<int64_t> budget, int_field(body, "budget_tokens", 1, kTokensMax));

  RequestGroup::Options group;
  group.budget_tokens = budget.value_or(-1);
  if (asked.join == Join::kFirst) group.first_k = static_cast<int>(first_k.value_or(1));
  const auto shared = std::make_shared<RequestGroup>(std::move(group));
  BranchRequest common;
  const int64_t now_us = system_clock().now_us();
  FS_TRY_VOID(read_branch_fields(body, now_us, &common));
  common.group = shared;
  if (asked.join == Join::kBest || asked.join == Join::kVote) common.sampling.n_top_logprobs = 0;

  const Json* branches = body.find("branches");
  if (branches == nullptr || !branches->is_array() || branches->as_array().empty() || branches->as_array().size() > kBranchesMax) {
    return wrong(fmt::format("branches: expected a list of 1 to {}", kBranchesMax));
  }
  for (size_t i = 0; i < branches->as_array().size(); ++i) {
    const Json& json = branches->as_array()[i];
    const std::string place = fmt::format("branches[{}].", i);
    BranchRequest branch = common;
    branch.sampling.seed = asked.seed + i;
    const auto read = [&]() -> Status {
      if (json.is_string()) {
        branch.suffix = RawPrompt{json.as_string()};
        return {};
      }
      if (!json.is_object()) return wrong("expected a text or an object");
      FS_TRY_VOID(check_names(json, {"suffix", "seed", "temperature", "top_p", "min_p", "top_k", "max_tokens", "thinking_budget", "deadline_ms", "stop", "json_schema"}, ""));
      FS_TRY(const std::optional<std::string> suffix, string_field(json, "suffix", kSuffixBytesMax));
      FS_TRY(const std::optional<int64_t> own_seed, int_field(json, "seed", INT64_MIN, INT64_MAX));
      branch.suffix = RawPrompt{suffix.value_or("")};
      if (own_seed) branch.sampling.seed = static_cast<uint64_t>(*own_seed);
      return read_branch_fields(json, now_us, &branch);
    };
    const Status status = read();
    if (!status.ok()) return wrong(place + status.error().message);
    asked.work.branches.push_back(std::move(branch));
  }
  return asked;
}

class ForkEncoder final : public ReplyEncoder {
 public:
  ForkEncoder(ServerContext* context, const ForkAsked& asked, std::string id)
      : answer_key_(context->options.answer_key), join_(asked.join), join_name_(asked.join_name), stream_(asked.stream), seed_(asked.seed), id_(std::move(id)),
        branches_(asked.work.branches.size()) {}

  void begin(std::string* out) override {
    if (stream_) write("start", Json::Object{{"id", id_}, {"branches", static_cast<int64_t>(branches_.size())}, {"seed", static_cast<int64_t>(seed_)}}, out);
  }
  void event(size_t index, const GenerateEvent& event, std::string* out) override {
    if (index >= branches_.size() || event.kind == GenerateEvent::Kind::kAgent) return;
    Branch& branch = branches_[index];
    if (!event.text.empty()) {
      (event.thinking ? branch.thinking : branch.text) += event.text;
      if (stream_) write("delta", Json::Object{{"branch", static_cast<int64_t>(index)}, {event.thinking ? "thinking" : "text", event.text}}, out);
    }
    if (event.kind == GenerateEvent::Kind::kToken) {
      branch.logprob_sum += static_cast<double>(event.logprob);
      ++branch.n_tokens;
      return;
    }
    branch.done = event;
    branch.place = ++n_done_;
    if (stream_) write("branch", branch_json(index, /*with_text=*/false), out);
  }
  void end(std::string* out) override {
    Json whole = Json::Object{{"id", id_}, {"object", "fork"}, {"join", join_name_}, {"seed", static_cast<int64_t>(seed_)}};
    if (!stream_) {
      Json::Array list;
      for (size_t i = 0; i < branches_.size(); ++i) list.push_back(branch_json(i, /*with_text=*/true));
      whole.set("branches", std::move(list));
    }
    join(&whole);
    int64_t n_prompt = 0, n_cached = 0, n_generated = 0;
    for (const Branch& branch : branches_) {
      n_prompt += branch.done.usage.prompt_tokens;
      n_cached += branch.done.usage.cached_tokens;
      n_generated += branch.done.usage.generated_tokens;
    }
    whole.set("usage", Json::Object{{"prompt_tokens", n_prompt}, {"cached_tokens", n_cached}, {"completion_tokens", n_generated}, {"total_tokens", n_prompt + n_generated}});
    if (stream_) write("done", whole, out);
    else *out += whole.dump();
  }
  void fail(const ApiError& error, std::string* out) override {
    if (stream_) write("error", Json::Object{{"message", error.message}, {"code", error.code.empty() ? "internal" : error.code}}, out);
  }
  void heartbeat(std::string* out) override { *out += ": waiting\n\n"; }

 private:
  struct Branch {
    std::string text, thinking;
    double logprob_sum = 0;
    int64_t n_tokens = 0;
    int place = 0;  // in the order of ends
    GenerateEvent done;
    bool stopped() const { return done.reason == FinishReason::kStop; }
    double mean_logprob() const { return n_tokens == 0 ? 0 : logprob_sum / static_cast<double>(n_tokens); }
  };

  static void write(const char* name, const Json& data, std::string* out) { *out += std::string("event: ") + name + "\ndata: " + data.dump() + "\n\n"; }

  bool has_logprobs() const { return join_ == Join::kBest || join_ == Join::kVote; }

  Json branch_json(size_t index, bool with_text) const {
    const Branch& branch = branches_[index];
    const Usage& usage = branch.done.usage;
    Json out = Json::Object{{"branch", static_cast<int64_t>(index)}};
    if (with_text) {
      out.set("text", branch.text);
      if (!branch.thinking.empty()) out.set("thinking", branch.thinking);
    }
    out.set("finish_reason", finish_reason_name(branch.done.reason));
    if (branch.done.reason == FinishReason::kError) out.set("error", branch.done.error.message);
    if (!branch.done.stop_string.empty()) out.set("stop_string", branch.done.stop_string);
    if (has_logprobs()) out.set("mean_logprob", branch.mean_logprob());
    out.set("usage", Json::Object{{"prompt_tokens", usage.prompt_tokens}, {"cached_tokens", usage.cached_tokens}, {"completion_tokens", usage.generated_tokens}});
    return out;
  }

  // The branches that the policy chose, best first.
  void join(Json* out) const {
    std::vector<size_t> chosen;
    for (size_t i = 0; i < branches_.size(); ++i) {
      if (join_ == Join::kAll || branches_[i].stopped()) chosen.push_back(i);
    }
    const auto better = [this](size_t a, size_t b) { return branches_[a].mean_logprob() > branches_[b].mean_logprob(); };
    if (join_ == Join::kFirst) std::stable_sort(chosen.begin(), chosen.end(), [this](size_t a, size_t b) { return branches_[a].place < branches_[b].place; });
    if (join_ == Join::kBest) {
      std::stable_sort(chosen.begin(), chosen.end(), better);
      chosen.resize(std::min<size_t>(chosen.size(), 1));
    }
    if (join_ == Join::kVote) {
      std::map<std::string, std::vector<size_t>> votes;
      for (const size_t i : chosen) {
        const std::string key = answer_key_(branches_[i].text);
        if (!key.empty()) votes[key].push_back(i);
      }
      const size_t n_all = chosen.size();
      chosen.clear();
      double best_weight = 0;
      for (auto& [key, voters] : votes) {  // equal counts: the surer ones
        double weight = 0;
        for (const size_t i : voters) weight += branches_[i].mean_logprob();
        weight /= static_cast<double>(voters.size());
        if (voters.size() < chosen.size() || (voters.size() == chosen.size() && weight <= best_weight)) continue;
        chosen = voters;
        best_weight = weight;
      }
      std::stable_sort(chosen.begin(), chosen.end(), better);
      out->set("agreement", n_all == 0 ? 0.0 : static_cast<double>(chosen.size()) / static_cast<double>(n_all));
    }
    Json::Array list;
    for (const size_t i : chosen) list.emplace_back(static_cast<int64_t>(i));
    out->set("chosen", std::move(list));
    if (join_ != Join::kAll && !chosen.empty()) out->set("text", branches_[chosen.front()].text);
  }

  const std::function<std::string(std::string_view)> answer_key_;
  const Join join_;
  const std::string join_name_;
  const bool stream_;
  const uint64_t seed_;
  const std::string id_;
  std::vector<Branch> branches_;
  int n_done_ = 0;
};

HttpReply run_fork(ServerContext* context, const std::shared_ptr<RunningAnswers>& running, Call& call) {
  const Result<Json> body = read_json_body(call);
  std::string().swap(call.request.body);
  if (!body.ok()) return own_error(call, own_api_error(body.error()));
  const ServerOptions& options = context->options;
  const Result<std::optional<std::string>> model = string_field(*body, "model", 256);
  if (!model.ok()) return own_error(call, own_api_error(model.error()));
  const std::string asked_model = model->value_or(options.model_id);
  const std::optional<std::string> adapter = adapter_of_model(asked_model, options.model_id, options.aliases, context->adapters, *call.principal);
  if (!adapter || (adapter->empty() && !call.principal->may_use_model(options.model_id))) {
    return own_error(call, {.kind = ApiErrorKind::kNotFound, .message = "there is no such model, or this key may not use it", .param = "model", .code = "model_not_found"});
  }
  Result<ForkAsked> asked = read_fork(*body, static_cast<bool>(options.answer_key));
  if (!asked.ok()) return own_error(call, own_api_error(asked.error()));
  Exchange exchange;
  exchange.dialect = Dialect::kFiresteel;
  exchange.stream = asked->stream;
  if (asked->stream) exchange.content_type = "text/event-stream";
  exchange.model = asked_model;
  exchange.parameter_names = {{"prompt", "context"}, {"suffix", "branches"}, {"constraint", "json_schema"}};
  exchange.encoder = std::make_unique<ForkEncoder>(context, *asked, call.request.request_id);
  exchange.fork = std::move(asked->work);
  GenerationHooks hooks;
  hooks.cancel_is_done = true;
  hooks.error_is_done = true;
  hooks.cancel = std::make_shared<CancelHandle>();
  const std::string id = call.request.request_id;
  hooks.before_settle = [running, id](const GenerationOutcome&, std::function<void(Status)> done) {
    running->remove(id);
    done({});
  };
  const std::shared_ptr<CancelHandle> cancel = hooks.cancel;
  HttpReply reply = start_generation(context, call, std::move(exchange), std::move(hooks));
  if (!std::holds_alternative<HttpResponse>(reply)) running->add(id, owner_of(call), cancel);  // before its first byte: nothing is polled yet
  return reply;
}

}  // namespace

void add_fork_routes(ServerContext* context, Router* router) {
  const auto running = std::make_shared<RunningAnswers>();
  router->add(Route(HttpMethod::kPost, "/v1/fork/{}/branches/{}/cancel", "fork.branch.cancel", RouteAccess::needs(Scope::kInference), RouteLimits(4096),
                    Dialect::kFiresteel, [running](Call& call) -> HttpReply {
                      const std::shared_ptr<CancelHandle> handle = running->find(owner_of(call), call.request.path_parameters.at(0));
                      const std::string& number = call.request.path_parameters.at(1);
                      size_t branch = 0;  // as its events count: from 0
                      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), branch);
                      const bool is_number = error == std::errc() && end == number.data() + number.size();
                      if (handle == nullptr || !is_number || !handle->cancel_branch(branch)) return not_found(call);
                      return json_response(202, "{}");
                    }));
  router->add(Route(HttpMethod::kPost, "/v1/fork", "fork", RouteAccess::needs(Scope::kInference), RouteLimits(context->options.prompt_body_bytes_max),
                    Dialect::kFiresteel, [context, running](Call& call) { return run_fork(context, running, call); }));
}

}  // namespace firesteel
