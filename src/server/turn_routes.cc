#include "server/turn_routes.h"

#include <sys/random.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "base/clock.h"
#include "base/utf8.h"
#include "server/conversation_json.h"
#include "server/dialect_routes.h"
#include "server/dialects/images.h"
#include "server/generation_reply.h"
#include "server/own_api.h"
#include "server/own_tools.h"
#include "server/release_routing.h"
#include "server/running_answers.h"
#include "server/told_question.h"
#include "store/run_ledgers.h"

namespace firesteel {
namespace {

constexpr uint64_t kTurnBodyMax = 32u << 20;

int64_t now_us() { return wall_clock().now_us(); }

// What the encoder gathers and the store gets. Used by one thread at a time: the I/O thread, then a worker.
struct TurnState {
  Owner owner;
  Message answer;          // id, conversation, parent, model
  std::string user_message_id;
  std::string text, thinking;
  std::string mode, why;
  std::string title;       // when the conversation was given one
  Usage usage;
  std::string finish_reason;
  std::shared_ptr<const Json> ledger;  // of a run of agents
  bool consent = false;    // the key's: what was said may become data
};

std::string text_member(const Json& json, std::string_view name) {
  const Json* found = json.find(name);
  return found != nullptr && found->is_string() ? found->as_string() : std::string();
}

// A vote whose samples said different things.
bool vote_is_open(const Json& ledger) {
  const Json* const agreement = ledger.find("agreement");
  return agreement != nullptr && agreement->is_number() && agreement->as_double() < 1;
}

// "done", "off", "fail": a lane's state in the page's words.
const char* shown_state(const std::string& state) {
  return state == "done" ? "done" : state == "cancelled" || state == "skipped" ? "off" : "fail";
}

// Which part of the question a lane answers, as the joined text cites it: 2 of "part/2" and "part/2/retry"; 0 of others.
int64_t part_of_key(const std::string& key) {
  int64_t part = 0;
  if (!key.starts_with("part/")) return 0;
  const auto [end, error] = std::from_chars(key.data() + 5, key.data() + key.size(), part);
  return error == std::errc() && part > 0 && part <= 64 ? part : 0;
}

// The lanes of a ledger as the page shows them when it is loaded again; without texts, bounded.
Json lanes_of(const Json& ledger) {
  constexpr size_t kShownLanesMax = 32, kTitleBytes = 120;
  Json::Array out;
  const Json* lanes = ledger.find("lanes");
  if (lanes == nullptr || !lanes->is_array()) return out;
  for (const Json& lane : lanes->as_array()) {
    const std::string role = text_member(lane, "role");
    const Json* id = lane.find("id");
    if (role == "answer" || role == "probe" || id == nullptr || !id->is_int() || out.size() >= kShownLanesMax) continue;
    std::string title = text_member(lane, "title");
    if (title.size() > kTitleBytes) title.resize(complete_utf8_prefix(title.substr(0, kTitleBytes)));
    Json one = Json::Object{{"lane", id->as_int() + 1}, {"state", shown_state(text_member(lane, "state"))}, {"title", title}};
    if (const int64_t part = part_of_key(text_member(lane, "key")); part > 0) one.set("part", part);
    if (const Json* tokens = lane.find("generated_tokens"); tokens != nullptr) one.set("tokens", *tokens);
    std::string note = text_member(lane, "error");
    if (note.size() > kTitleBytes) note.resize(complete_utf8_prefix(note.substr(0, kTitleBytes)));
    if (!note.empty()) one.set("note", note);
    out.push_back(std::move(one));
  }
  return out;
}

// The calls of the one agent that answered, as the page shows them when it is loaded again; bounded.
Json calls_of(const Json& ledger) {
  constexpr size_t kCallsMax = 32, kTextBytes = 400;
  Json::Array out;
  const Json* calls = ledger.find("tool_calls");
  if (const Json* lanes = ledger.find("lanes"); calls == nullptr && lanes != nullptr && lanes->is_array()) {
    for (const Json& lane : lanes->as_array()) calls = text_member(lane, "role") == "answer" ? lane.find("tools") : calls;
  }
  if (calls == nullptr || !calls->is_array()) return out;
  for (const Json& call : calls->as_array()) {
    if (out.size() >= kCallsMax) break;
    Json one = Json::Object{{"name", text_member(call, "name")}};
    for (const char* const name : {"arguments", "result"}) {
      std::string text = text_member(call, name);
      if (text.size() > kTextBytes) text.resize(complete_utf8_prefix(text.substr(0, kTextBytes)));
      one.set(name, std::move(text));
    }
    if (call.find("failed") != nullptr) one.set("failed", true);
    if (const Json* consent = call.find("consent"); consent != nullptr) one.set("consent", *consent);
    out.push_back(std::move(one));
  }
  return out;
}

void append_event(const char* name, const Json& data, std::string* out) {
  *out += std::string("event: ") + name + "\ndata: " + data.dump() + "\n\n";
}

class TurnEncoder final : public ReplyEncoder {
 public:
  explicit TurnEncoder(std::shared_ptr<TurnState> turn) : turn_(std::move(turn)) {}

  void begin(std::string* out) override {
    append_event("start", Json::Object{{"user_message_id", turn_->user_message_id}, {"assistant_message_id", turn_->answer.id.str()}}, out);
  }
  void event(size_t, const GenerateEvent& event, std::string* out) override {
    if (event.kind == GenerateEvent::Kind::kAgent) {
      if (event.report != nullptr) agent_event(*event.report, out);
      return;
    }
    if (!event.text.empty()) {
      (event.thinking ? turn_->thinking : turn_->text) += event.text;
      append_event("delta", Json::Object{{"lane", 0}, {event.thinking ? "thinking" : "text", event.text}}, out);
    }
    if (event.kind != GenerateEvent::Kind::kDone) return;
    turn_->usage = event.usage;
    take_ledger(event.report);
    turn_->finish_reason = event.reason == FinishReason::kStop || event.reason == FinishReason::kLength || event.reason == FinishReason::kCancelled
                               ? finish_reason_name(event.reason) : "length";
  }
  void end(std::string* out) override {
    const Usage& usage = turn_->usage;
    Json counts = Json::Object{{"prompt_tokens", usage.prompt_tokens},
                               {"cached_tokens", usage.cached_tokens},
                               {"completion_tokens", usage.generated_tokens},
                               {"first_token_ms", usage.first_token_us / 1000},
                               {"total_ms", usage.total_us / 1000}};
    Json data = Json::Object{{"finish_reason", turn_->finish_reason}, {"usage", std::move(counts)}, {"mode", turn_->mode}};
    if (!turn_->why.empty()) data.set("why", turn_->why);
    if (!turn_->title.empty()) data.set("title", turn_->title);
    if (turn_->ledger != nullptr) data.set("has_ledger", true);  // GET turns/{id}/ledger
    append_event("done", data, out);
  }
  void fail(const ApiError& error, std::string* out) override {
    const char* const otherwise = error.kind == ApiErrorKind::kUnavailable ? "server_is_overloaded" : "internal";
    append_event("error", Json::Object{{"message", error.message}, {"code", error.code.empty() ? otherwise : error.code}}, out);
  }
  void heartbeat(std::string* out) override { *out += ": waiting\n\n"; }

 private:
  // Lanes as the page has them: 1 and up; the one agent that answers alone is lane 0, whose text comes as the answer's.
  void agent_event(const Json& event, std::string* out) {
    const std::string type = text_member(event, "type");
    if (type == "note") return append_event("note", Json::Object{{"text", text_member(event, "text")}}, out);
    if (const std::optional<ToldQuestion> question = read_question(event)) {
      Json told = question->told;
      const Json* asking = told.find("lane");
      const bool is_lane = asking != nullptr && asking->is_int() && asking->as_int() != answer_lane_;
      told.set("lane", is_lane ? asking->as_int() + 1 : 0);
      return append_event(question->is_over ? "confirmed" : "confirm", told, out);
    }
    const Json* id = event.find("lane");
    if (id == nullptr && (type == "tool" || type == "result")) return tool_event(0, event, out);
    if (id == nullptr || !id->is_int()) return;
    const int64_t lane = id->as_int();
    if (type == "lane") {
      const std::string role = text_member(event, "role");
      if (role == "answer") answer_lane_ = lane;
      if (role == "answer" || role == "probe") return;
      titles_[lane] = text_member(event, "title");
      Json opened = Json::Object{{"lane", lane + 1}, {"state", "live"}, {"title", titles_[lane]}};
      if (const int64_t part = part_of_key(text_member(event, "key")); part > 0) opened.set("part", part);
      return append_event("lane", opened, out);
    }
    if (lane == answer_lane_ && (type == "tool" || type == "result")) return tool_event(0, event, out);
    const auto known = titles_.find(lane);
    if (known == titles_.end()) return;
    if (type == "text") {
      const char* const kind = event.find("thinking") != nullptr ? "thinking" : "text";
      append_event("delta", Json::Object{{"lane", lane + 1}, {kind, text_member(event, kind)}}, out);
    } else if (type == "tool" || type == "result") {
      tool_event(lane + 1, event, out);
    } else if (type == "end") {
      const char* const shown = shown_state(text_member(event, "state"));
      Json data = Json::Object{{"lane", lane + 1}, {"state", shown}, {"title", known->second}};
      if (const Json* tokens = event.find("tokens"); tokens != nullptr) data.set("tokens", *tokens);
      if (const Json* ms = event.find("ms"); ms != nullptr && ms->is_number()) data.set("elapsed_ms", static_cast<int64_t>(ms->as_double()));
      const std::string error = text_member(event, "error");
      if (!error.empty()) data.set("note", error);
      append_event("lane", data, out);
    }
  }
  static void tool_event(int64_t lane, const Json& event, std::string* out) {
    Json data = Json::Object{{"lane", lane}};
    if (const Json* call = event.find("call"); call != nullptr && call->is_object()) {
      for (const auto& [name, value] : call->as_object()) data.set(name, value);
    }
    append_event("tool", data, out);
  }
  // What the router chose is known now.
  void take_ledger(const std::shared_ptr<const Json>& ledger) {
    if (ledger == nullptr) return;
    turn_->ledger = ledger;
    if (const Json* mode = ledger->find("mode"); mode != nullptr && mode->is_string()) turn_->mode = mode->as_string();
    if (const Json* why = ledger->find("why"); why != nullptr && why->is_string()) turn_->why = why->as_string();
  }
  const std::shared_ptr<TurnState> turn_;
  int64_t answer_lane_ = -1;  // of the one agent that answers alone
  std::map<int64_t, std::string> titles_;  // of lanes that were told, by their number in the run
};

// Fields of the request that are about how, not what.
struct TurnSettings {
  SamplingParams sampling;
  StopParams stop;
  Json template_variables;
  std::string mode, why;
  std::optional<AgentParams> agents;
  OwnTools tools;
  bool confirms = false;
};

// mode contemplating or auto, agents, strategy, budget_tokens.
Result<std::optional<AgentParams>> read_turn_agents(const Json& body, const std::string& mode, const ModelInfo& info) {
  FS_TRY(const std::optional<int64_t> n_agents, int_field(body, "agents", 1, kFanOutMax));
  FS_TRY(const std::optional<std::string> strategy, string_field(body, "strategy", 32));
  FS_TRY(const std::optional<int64_t> budget, int_field(body, "budget_tokens", 1, int64_t{1} << 40));
  const bool several = mode == "contemplating" || (n_agents && *n_agents > 1) || strategy;
  if (!several && (mode != "auto" || !info.has_agents)) return std::optional<AgentParams>();
  if (!info.has_agents) return Error{ErrorCode::kInvalidArgument, "mode: this server answers with one agent; expected instant, thinking or auto"};
  if (mode == "instant" || mode == "thinking") return Error{ErrorCode::kInvalidArgument, "mode: several agents are contemplating or auto, found " + mode};
  AgentParams params;
  const std::optional<AgentStrategy> chosen = find_agent_strategy(strategy.value_or("auto"));
  if (!chosen) return Error{ErrorCode::kInvalidArgument, "strategy: expected auto, split, vote or refine"};
  params.strategy = *chosen;
  params.mode = mode == "contemplating" ? AnswerMode::kContemplating : AnswerMode::kAuto;
  if (n_agents && *n_agents > 1) params.n_agents = static_cast<int>(*n_agents);
  params.budget_tokens = budget.value_or(-1);
  params.reports_lanes = true;
  return std::optional<AgentParams>(params);
}

Result<TurnSettings> read_settings(const Json& body, const ModelInfo& info) {
  TurnSettings settings;
  settings.sampling.temperature = info.sampling.temperature.value_or(0.8);
  settings.sampling.top_p = info.sampling.top_p.value_or(1);
  settings.sampling.min_p = info.sampling.min_p.value_or(0);
  settings.sampling.top_k = info.sampling.top_k.value_or(0);
  settings.sampling.repetition_penalty = info.sampling.repetition_penalty.value_or(1);
  if (const Json* tools = body.find("tools"); tools != nullptr && !tools->is_null()) {
    Result<OwnTools> own = read_own_tools(*tools, info);
    if (!own.ok()) return Error{own.error().code, "tools: " + own.error().message};
    settings.tools = std::move(own).value();
  }
  FS_TRY(const std::optional<bool> confirms, bool_field(body, "confirm"));
  settings.confirms = confirms.value_or(false);
  FS_TRY(const std::optional<int64_t> max_tokens, int_field(body, "max_tokens", 1, int64_t{1} << 40));
  if (max_tokens) settings.stop.max_tokens = *max_tokens;
  if (getrandom(&settings.sampling.seed, sizeof settings.sampling.seed, 0) != sizeof settings.sampling.seed) settings.sampling.seed = static_cast<uint64_t>(now_us());
  if (const Json* sampling = body.find("sampling"); sampling != nullptr && !sampling->is_null()) {
    if (!sampling->is_object()) return Error{ErrorCode::kInvalidArgument, "sampling: expected an object"};
    FS_TRY(const std::optional<double> own_temperature, number_field(*sampling, "temperature", 0, 2));
    FS_TRY(const std::optional<double> top_p, number_field(*sampling, "top_p", 0, 1));
    FS_TRY(const std::optional<int64_t> seed, int_field(*sampling, "seed", INT64_MIN, INT64_MAX));
    if (own_temperature) settings.sampling.temperature = *own_temperature;
    if (top_p) settings.sampling.top_p = *top_p;
    if (seed) settings.sampling.seed = static_cast<uint64_t>(*seed);
  }
  FS_TRY(const std::optional<std::string> asked, string_field(body, "mode", 32));
  const std::string mode = asked.value_or("auto");
  FS_TRY(settings.agents, read_turn_agents(body, mode, info));
  if (settings.agents) {
    settings.mode = mode;  // until the router has chosen
    return settings;
  }
  if (mode == "auto") {
    settings.mode = info.can_think ? "thinking" : "instant";
    settings.why = info.can_think ? "The model can think, and no limit was asked for." : "This model has no thinking.";
  } else if (mode == "thinking" && !info.can_think) {
    return Error{ErrorCode::kInvalidArgument, "mode: this model cannot think; expected instant or auto"};
  } else if (mode == "instant" || mode == "thinking") {
    settings.mode = mode;
  } else {
    return Error{ErrorCode::kInvalidArgument, "mode: expected instant, thinking, contemplating or auto"};
  }
  settings.stop.thinking_budget = settings.mode == "instant" ? 0 : -1;
  if (info.can_think) settings.template_variables = Json::Object{{"enable_thinking", settings.mode == "thinking"}};
  return settings;
}

// The way from the first message to `last`, both included. kNotFound when it is not of this conversation.
Result<std::vector<const Message*>> path_to(const std::vector<Message>& messages, const std::string& last) {
  std::map<std::string, const Message*> by_id;
  for (const Message& message : messages) by_id[message.id.str()] = &message;
  std::vector<const Message*> path;
  for (std::string id = last; !id.empty();) {
    const auto found = by_id.find(id);
    if (found == by_id.end() || path.size() > messages.size()) return Error{ErrorCode::kNotFound, "parent_id"};
    path.push_back(found->second);
    id = found->second->parent.str();
  }
  std::reverse(path.begin(), path.end());
  return path;
}

// Whether an answer on this way was made of text of strangers: later answers read it, so what they call is not theirs alone either.
bool is_tainted(const std::vector<const Message*>& path) {
  return std::any_of(path.begin(), path.end(), [](const Message* message) {
    const Result<Json> usage = message->usage.empty() ? Result<Json>(Json()) : Json::parse(message->usage);
    return usage.ok() && usage->is_object() && usage->find("tainted_by") != nullptr;
  });
}

// A person's word for all later calls of a tool in a conversation. Best effort: where it cannot be kept, they are asked again.
void allow_tool(ServerContext* context, const Owner& owner, const ConversationId& id, const std::string& tool) {
  Conversations conversations(context->store);
  const Result<Conversation> conversation = conversations.get(owner, id);
  if (!conversation.ok()) return;
  std::vector<std::string> allowed = allowed_tools_of(*conversation);
  if (allowed.size() >= kAllowedToolsMax || std::find(allowed.begin(), allowed.end(), tool) != allowed.end()) return;
  allowed.push_back(tool);
  Conversations::Change change;
  change.settings = with_allowed_tools(conversation->settings, allowed);
  static_cast<void>(conversations.change(owner, id, change, now_us()));
}

HttpReply turn_error(const Call& call, const Error& error) { return own_error(call, own_api_error(error)); }

void remember(ServerContext* context, const std::shared_ptr<TurnState>& turn, const std::shared_ptr<RunningAnswers>& running,
              const GenerationOutcome& outcome, std::function<void(Status)> done) {
  running->remove(turn->answer.id.str());
  // On a worker, because the store is waited for.
  const bool queued = context->run_on_worker([context, turn, outcome, done] {
    Message answer = turn->answer;
    answer.content = assistant_content(turn->text, turn->thinking);
    Json usage = Json::Object{{"prompt_tokens", outcome.tokens.prompt},
                              {"cached_tokens", outcome.tokens.cached},
                              {"completion_tokens", outcome.tokens.generated},
                              {"first_token_ms", outcome.first_token_us / 1000},
                              {"total_ms", outcome.total_us / 1000},
                              {"finish_reason", outcome.client_left ? "cancelled" : turn->finish_reason.empty() ? outcome.finish_reason : turn->finish_reason},
                              {"mode", turn->mode}};
    if (!turn->why.empty()) usage.set("why", turn->why);
    if (turn->ledger != nullptr) {
      if (const std::string source = text_member(*turn->ledger, "tainted_by"); !source.empty()) usage.set("tainted_by", source);
      Json lanes = lanes_of(*turn->ledger);
      if (!lanes.as_array().empty()) usage.set("lanes", std::move(lanes));
      Json calls = calls_of(*turn->ledger);
      if (!calls.as_array().empty()) usage.set("tools", std::move(calls));
    }
    answer.usage = usage.dump();
    Result<Message> stored = Conversations(context->store).append(turn->owner, answer, now_us());
    // The conversation was removed meanwhile: nobody misses the answer.
    Status status;
    if (stored.ok() && turn->ledger != nullptr) status = RunLedgers(context->store).put(turn->owner, answer.id, turn->ledger->dump(), now_us());
    if (!stored.ok()) status = stored.error();
    // Samples of a vote that did not agree are two answers made already: people may judge them, where content may be kept.
    if (stored.ok() && status.ok() && turn->consent && turn->ledger != nullptr && vote_is_open(*turn->ledger)) {
      Feedback feedback;
      feedback.message = answer.id;
      feedback.consent = true;
      static_cast<void>(Conversations(context->store).put_feedback(turn->owner, feedback, now_us()));  // a sample: nobody waits for it
    }
    done(!status.ok() && status.error().code != ErrorCode::kNotFound ? status : Status());
  });
  if (!queued) done(Error{ErrorCode::kUnavailable, "the server is stopping"});
}

HttpReply run_turn(ServerContext* context, const std::shared_ptr<RunningAnswers>& running, Call& call) {
  const std::optional<ConversationId> id = ConversationId::parse(call.request.path_parameters.at(0));
  if (!id) return not_found(call);
  const Result<Json> body = read_json_body(call);
  std::string().swap(call.request.body);
  if (!body.ok()) return turn_error(call, body.error());

  const Result<std::optional<std::string>> model = string_field(*body, "model", 256);
  if (!model.ok()) return turn_error(call, model.error());
  const ServerOptions& options = context->options;
  const std::string asked_model = model->value_or(options.model_id);
  std::optional<std::string> adapter = adapter_of_model(asked_model, options.model_id, options.aliases, context->adapters, *call.principal);
  const bool is_released = context->releases != nullptr && context->releases->controller->knows(asked_model) && call.principal->may_use_model(asked_model.substr(0, asked_model.find('@')));
  if (!adapter && is_released) adapter = "";
  if (!adapter || (adapter->empty() && !call.principal->may_use_model(options.model_id))) {
    return own_error(call, {.kind = ApiErrorKind::kNotFound, .message = "there is no such model, or this key may not use it", .param = "model", .code = "model_not_found"});
  }
  const Result<TurnSettings> settings = read_settings(*body, context->generator.info());
  if (!settings.ok()) return turn_error(call, settings.error());
  const Result<std::optional<std::string>> parent = string_field(*body, "parent_id", 64);
  if (!parent.ok()) return turn_error(call, parent.error());
  const Result<std::optional<bool>> again = bool_field(*body, "regenerate");
  if (!again.ok()) return turn_error(call, again.error());
  const Result<std::optional<std::string>> asked_system = string_field(*body, "system", 48u << 10);
  if (!asked_system.ok()) return turn_error(call, asked_system.error());

  Conversations conversations(context->store);
  const Owner owner = owner_of(call);
  const Result<Conversation> conversation = conversations.get(owner, *id);
  if (!conversation.ok()) return turn_error(call, conversation.error());
  const Result<std::vector<Message>> messages = conversations.messages(owner, *id);
  if (!messages.ok()) return turn_error(call, messages.error());
  Result<std::vector<const Message*>> path = path_to(*messages, parent->value_or(""));
  if (!path.ok()) return turn_error(call, path.error());
  const bool regenerate = again->value_or(false);
  const char* const expected_role = regenerate ? "user" : "assistant";
  if ((regenerate && path->empty()) || (!path->empty() && path->back()->role != expected_role)) {
    return own_error(call, bad_field("parent_id", regenerate ? "expected the id of a question" : "expected null or the id of an answer"));
  }
  Json content;
  if (!regenerate) {
    const Json* given = body->find("content");
    Result<Json> parts = read_content(given == nullptr ? Json() : *given);
    if (!parts.ok()) return turn_error(call, parts.error());
    content = std::move(parts).value();
  }

  Admission place;
  if (std::optional<HttpResponse> refused = take_place(context, call, &place)) return std::move(*refused);
  // The conversation as the model's template takes it: thinking of earlier answers is left out.
  ChatPrompt prompt;
  Json::Array rendered;
  const std::string system = asked_system->value_or(system_of(*conversation));
  if (!system.empty()) rendered.push_back(Json::Object{{"role", "system"}, {"content", system}});
  RequestImages images{.can_see = context->generator.info().can_see};
  Status seen;
  const auto add = [&](const std::string& role, const Json& parts) {
    const std::string text = text_of_content(parts);
    const std::vector<std::string_view> uris = image_uris(parts);
    Json::Array with_images;  // pictures stand before the text
    for (const std::string_view uri : uris) {
      if (seen.ok()) seen = add_image_uri(uri, &images);
      with_images.push_back(Json::Object{{"type", "image"}});
    }
    if (!uris.empty()) with_images.push_back(Json::Object{{"type", "text"}, {"text", text}});
    rendered.push_back(Json::Object{{"role", role}, {"content", uris.empty() ? Json(text) : Json(std::move(with_images))}});
  };
  for (const Message* message : *path) {
    const Result<Json> parts = Json::parse(message->content);
    add(message->role, parts.ok() ? *parts : Json());
  }
  if (!regenerate) add("user", content);
  if (!seen.ok()) return own_error(call, bad_field("content", images.can_see ? seen.error().message : "this model does not see images; send text only"));
  prompt.messages = std::move(rendered);
  prompt.template_variables = settings->template_variables;
  prompt.now_unix_s = now_us() / 1'000'000;

  const auto turn = std::make_shared<TurnState>();
  turn->owner = owner;
  turn->consent = call.principal->consent;
  turn->answer.id = MessageId::fresh();
  turn->answer.conversation = *id;
  turn->answer.role = "assistant";
  turn->answer.model = adapter->empty() ? options.model_id : asked_model;
  turn->mode = settings->mode;
  turn->why = settings->why;
  Message question;
  if (regenerate) {
    turn->answer.parent = path->back()->id;
  } else {
    question.id = MessageId::fresh();
    question.conversation = *id;
    if (!path->empty()) question.parent = path->back()->id;
    question.role = "user";
    question.content = content.dump();
    turn->answer.parent = question.id;
  }
  turn->user_message_id = turn->answer.parent.str();

  Exchange exchange;
  GenerateRequest request;
  request.prompt = std::move(prompt);
  request.images = std::move(images.images);
  request.sampling = settings->sampling;
  request.stop = settings->stop;
  request.agents = settings->agents;
  const Status offered = use_own_tools(settings->tools, context->generator.info(), /*reports_calls=*/true, &request);
  if (!offered.ok()) return own_error(call, bad_field("tools", offered.error().message));
  if (request.tools) {
    request.tools->confirms = settings->confirms;
    request.tools->allowed = allowed_tools_of(*conversation);
    if (is_tainted(*path)) request.tools->tainted_by = "the conversation";
  }
  exchange.requests.push_back(std::move(request));
  exchange.dialect = Dialect::kFiresteel;
  exchange.stream = true;
  exchange.content_type = "text/event-stream";
  exchange.model = asked_model;
  exchange.parameter_names = {{"prompt", "content"}};
  exchange.encoder = std::make_unique<TurnEncoder>(turn);
  GenerationHooks hooks;
  hooks.cancel_is_done = true;
  hooks.cancel = std::make_shared<CancelHandle>();
  hooks.allow_always = [context, owner, id = *id](const std::string& tool) { allow_tool(context, owner, id, tool); };
  hooks.before_settle = [context, turn, running](const GenerationOutcome& outcome, std::function<void(Status)> done) {
    remember(context, turn, running, outcome, std::move(done));
  };
  if (const auto error = apply_release(context, call, asked_model, "web", *body, turn->answer.id.str(), &exchange, &hooks)) return own_error(call, *error);
  const std::shared_ptr<CancelHandle> cancel = hooks.cancel;
  place = Admission();
  HttpReply reply = start_generation(context, call, std::move(exchange), std::move(hooks));
  if (std::holds_alternative<HttpResponse>(reply)) return reply;  // refused: the question was not stored, so it can be sent again

  // Accepted. The question is durable before the client hears its id.
  if (!regenerate) {
    const Result<Message> stored = conversations.append(owner, question, now_us());
    if (!stored.ok()) return turn_error(call, stored.error());
    Conversations::Change change;
    if (conversation->title.empty()) change.title = title_from(text_of_content(content));
    Result<Json> kept = Json::parse(conversation->settings.empty() ? "{}" : conversation->settings);
    if (kept.ok() && kept->is_object()) {
      kept->set("model", options.model_id);
      change.settings = kept->dump();
    }
    // Names only: a turn goes on without them.
    if (conversations.change(owner, *id, change, now_us()).ok()) turn->title = change.title.value_or("");
  }
  running->add(turn->answer.id.str(), owner, cancel);
  return reply;
}

}  // namespace

void add_turn_routes(ServerContext* context, Router* router) {
  const auto running = std::make_shared<RunningAnswers>();
  router->add(Route(HttpMethod::kPost, "/firesteel/v1/conversations/{}/turns", "turn", RouteAccess::needs(Scope::kInference), RouteLimits(kTurnBodyMax),
                    Dialect::kFiresteel, [context, running](Call& call) { return run_turn(context, running, call); }));
  router->add(Route(HttpMethod::kGet, "/firesteel/v1/turns/{}/ledger", "turn.ledger", RouteAccess::needs(Scope::kInference), RouteLimits(0),
                    Dialect::kFiresteel, [context](Call& call) -> HttpReply {
                      const std::optional<MessageId> id = MessageId::parse(call.request.path_parameters.at(0));
                      if (!id) return not_found(call);
                      const Result<std::string> ledger = RunLedgers(context->store).get(owner_of(call), *id);
                      if (!ledger.ok()) return turn_error(call, ledger.error());
                      return json_response(200, *ledger);
                    }));
  router->add(Route(HttpMethod::kPost, "/firesteel/v1/turns/{}/cancel", "turn.cancel", RouteAccess::needs(Scope::kInference), RouteLimits(4096),
                    Dialect::kFiresteel, [running](Call& call) -> HttpReply {
                      const std::shared_ptr<CancelHandle> handle = running->find(owner_of(call), call.request.path_parameters.at(0));
                      if (handle == nullptr) return not_found(call);
                      handle->cancel();
                      return json_response(202, "{}");
                    }));
  router->add(Route(HttpMethod::kPost, "/firesteel/v1/turns/{}/lanes/{}/cancel", "turn.lane.cancel", RouteAccess::needs(Scope::kInference), RouteLimits(4096),
                    Dialect::kFiresteel, [running](Call& call) -> HttpReply {
                      const std::shared_ptr<CancelHandle> handle = running->find(owner_of(call), call.request.path_parameters.at(0));
                      const std::string& number = call.request.path_parameters.at(1);
                      int lane = 0;  // as the page counts: from 1
                      const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), lane);
                      const bool is_number = error == std::errc() && end == number.data() + number.size() && lane > 0;
                      if (handle == nullptr || !is_number || !handle->cancel_lane(lane - 1)) return not_found(call);
                      return json_response(202, "{}");
                    }));
}

}  // namespace firesteel
