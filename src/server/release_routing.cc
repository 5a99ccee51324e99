#include "server/release_routing.h"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <utility>

#include "base/utf8.h"
#include "release/topic.h"
#include "server/own_api.h"

namespace firesteel {
namespace {

constexpr size_t kQuestionBytes = 4096;   // of what is looked at more closely
constexpr size_t kTextHeadBytes = 2048;   // of an answer: enough to see a refusal

// Whether the request says so itself, in one of the dialects' words.
bool says(const Json& body, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    for (const Json* place : {&body, body.find("options"), body.find("sampling")}) {
      if (place != nullptr && place->find(name) != nullptr && !place->find(name)->is_null()) return true;
    }
  }
  return false;
}

std::string text_of(const Json& json, const char* name) {
  const Json* value = json.find(name);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

// What stays the same for one person: who they are to us, or to the program that calls us, or the key.
std::string person_of(const Call& call, const Json& body) {
  const Principal& principal = *call.principal;
  std::string person = principal.user.str();
  if (person.empty()) person = text_of(body, "user");
  if (person.empty()) person = text_of(body, "safety_identifier");
  if (const Json* metadata = body.find("metadata"); person.empty() && metadata != nullptr) person = text_of(*metadata, "user_id");
  return person.empty() ? principal.key.str() : principal.key.str() + "/" + person.substr(0, 256);
}

void count_variant(ServerContext* context, const Assignment& assignment, const GenerationOutcome& outcome, const AnswerFacts& facts) {
  MetricRegistry& registry = context->metrics.registry();
  const MetricLabels labels = {{"variant", assignment.name + "@" + std::to_string(assignment.number)}, {"surface", assignment.surface}};
  registry.counter("firesteel_variant_answers_total", "Answers by variant and surface", labels).add();
  registry.counter("firesteel_variant_errors_total", "Answers that failed, by variant and surface", labels).add(facts.error ? 1 : 0);
  registry.counter("firesteel_variant_refusals_total", "Answers that say they cannot, by variant and surface", labels).add(facts.refusal ? 1 : 0);
  registry.counter("firesteel_variant_tokens_total", "Generated tokens by variant and surface", labels).add(static_cast<uint64_t>(std::max<int64_t>(outcome.tokens.generated, 0)));
  if (outcome.first_token_us > 0) {
    registry.histogram("firesteel_variant_first_token_seconds", "Time to first token by variant and surface", latency_bounds_s(), labels)
        .observe(static_cast<double>(outcome.first_token_us) * 1e-6);
  }
}

AnswerFacts facts_of(const GenerationOutcome& outcome) {
  AnswerFacts facts;
  facts.error = outcome.finish_reason == "error";
  facts.refusal = !facts.error && !outcome.text_head.empty() && answer_is_refusal(outcome.text_head);
  facts.cut = outcome.finish_reason == "length";
  facts.first_token_us = outcome.first_token_us;
  facts.total_us = outcome.total_us;
  facts.prompt_tokens = outcome.tokens.prompt;
  facts.generated_tokens = outcome.tokens.generated;
  facts.agreement = outcome.agreement;
  return facts;
}

// The last thing that the user said; nullptr where there is no text.
const std::string* question_of(const GenerateRequest& request) {
  const ChatPrompt* const chat = std::get_if<ChatPrompt>(&request.prompt);
  if (chat == nullptr || !chat->messages.is_array()) return nullptr;
  const Json::Array& messages = chat->messages.as_array();
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    const Json* const role = message->find("role");
    const Json* const content = message->find("content");
    if (role == nullptr || *role != Json("user") || content == nullptr) continue;
    if (content->is_string()) return &content->as_string();
    if (!content->is_array()) return nullptr;
    for (const Json& part : content->as_array()) {
      const Json* const text = part.is_object() ? part.find("text") : nullptr;
      if (text != nullptr && text->is_string()) return &text->as_string();
    }
    return nullptr;
  }
  return nullptr;
}

// Told when the answer has ended.
std::function<void(const GenerationOutcome&)> observer(ServerContext* context, const Call& call, const Exchange& exchange, Assignment assignment, std::string message, bool is_variant) {
  const GenerateRequest& request = exchange.requests.front();
  const std::string* const question = question_of(request);
  MonitorSampler::Work sample;
  if (question != nullptr && context->releases->sampler.chooses(call.request.request_id, &sample)) {
    sample.assignment = assignment;
    sample.tenant = call.principal->tenant.str();
    sample.flow = call.principal->flow;
    sample.cache_namespace = call.principal->cache_namespace;
    sample.question = question->substr(0, complete_utf8_prefix(std::string_view(*question).substr(0, kQuestionBytes)));
  }
  const int topic = question == nullptr ? -1 : topic_bucket(*question);
  return [context, assignment = std::move(assignment), sample = std::move(sample), tenant = call.principal->tenant.str(), message = std::move(message), topic, is_variant,
          request_id = call.request.request_id](const GenerationOutcome& outcome) {
    if (outcome.client_left) return;   // says nothing about the variant
    AnswerFacts facts = facts_of(outcome);
    facts.input_bucket = topic;
    if (is_variant) count_variant(context, assignment, outcome, facts);
    context->releases->controller->record(assignment, tenant, request_id, message, facts);
    if (facts.error || (!sample.embeds && !sample.judges)) return;
    MonitorSampler::Work work = sample;
    work.answer = outcome.text_head;
    context->releases->sampler.add(std::move(work));
  };
}

// Why this server cannot answer as the variant says; empty when it can.
std::string obstacle(ServerContext* context, const VariantSpec& spec) {
  const ModelInfo info = context->generator.info();
  if (!spec.base.empty() && spec.base != info.digest) return "its base model is another than the one that is served";
  if (spec.adapter.empty()) return {};
  // A retired one may still be in memory, when another process retired it.
  const std::string file = context->options.adapter_folder + "/" + spec.adapter + ".gguf";
  if (!context->options.adapter_folder.empty() && ::access((file + ".retired.json").c_str(), F_OK) == 0) return "its adapter is retired";
  const std::vector<AdapterInfo> loaded = context->generator.adapters();
  if (std::any_of(loaded.begin(), loaded.end(), [&](const AdapterInfo& adapter) { return adapter.digest == spec.adapter; })) return {};
  // The first request that needs it loads it. (A digest is hexadecimal: the registry has checked that.)
  if (context->options.adapter_folder.empty()) return "its adapter is not loaded";
  const Result<AdapterInfo> now = context->generator.load_adapter(file);
  if (!now.ok()) return "its adapter cannot be loaded";
  return now->digest == spec.adapter ? "" : "its adapter's file has another content";
}

}  // namespace

ShadowRunner::ShadowRunner(Generator* generator, ReleaseController* releases) : generator_(*generator), releases_(*releases), thread_([this] { run(); }) {}

ShadowRunner::~ShadowRunner() {
  queue_.close();
  thread_.join();
}

void ShadowRunner::add(Work work) { static_cast<void>(queue_.try_push(std::move(work))); }

void ShadowRunner::run() {
  while (std::optional<Work> work = queue_.pop()) {
    AnswerFacts facts;
    std::string text;
    Result<std::unique_ptr<TokenStream>> stream = generator_.submit(std::move(work->request));
    if (!stream.ok()) continue;   // full: not a sample
    while (std::optional<GenerateEvent> event = (*stream)->next()) {
      if (!event->thinking && text.size() < kTextHeadBytes) text += event->text;
      if (event->kind != GenerateEvent::Kind::kDone) continue;
      facts.error = event->reason == FinishReason::kError;
      facts.cut = event->reason == FinishReason::kLength;
      facts.first_token_us = event->usage.first_token_us - event->usage.queued_us;  // it waits for others, which is not its fault
      facts.total_us = event->usage.total_us;
      facts.prompt_tokens = event->usage.prompt_tokens;
      facts.generated_tokens = event->usage.generated_tokens;
    }
    facts.refusal = answer_is_refusal(text);
    releases_.record_shadow(work->assignment, work->tenant, facts);
  }
}

void apply_variant(const VariantSpec& spec, const Json& body, GenerateRequest* request) {
  request->adapter = spec.adapter;
  ChatPrompt* const chat = std::get_if<ChatPrompt>(&request->prompt);
  if (chat != nullptr && !spec.system.empty() && chat->messages.is_array()) {
    Json::Array& messages = chat->messages.as_array();
    Json* const first = messages.empty() ? nullptr : &messages.front();
    const bool has_system = first != nullptr && first->find("role") != nullptr && *first->find("role") == Json("system") && first->find("content") != nullptr && first->find("content")->is_string();
    // The variant's stands before the caller's own.
    if (has_system) first->set("content", spec.system + "\n\n" + first->find("content")->as_string());
    else messages.insert(messages.begin(), Json(Json::Object{{"role", "system"}, {"content", spec.system}}));
  }
  const auto number = [&](const char* name, std::initializer_list<const char*> said, double* value) {
    if (const Json* setting = spec.settings.find(name); setting != nullptr && setting->is_number() && !says(body, said)) *value = setting->as_double();
  };
  number("temperature", {"temperature"}, &request->sampling.temperature);
  number("top_p", {"top_p"}, &request->sampling.top_p);
  number("min_p", {"min_p"}, &request->sampling.min_p);
  number("repetition_penalty", {"repetition_penalty", "repeat_penalty"}, &request->sampling.repetition_penalty);
  if (const Json* top_k = spec.settings.find("top_k"); top_k != nullptr && top_k->is_int() && !says(body, {"top_k"})) request->sampling.top_k = static_cast<int>(top_k->as_int());
  if (const Json* n = spec.settings.find("max_tokens"); n != nullptr && n->is_int() && n->as_int() > 0 && !says(body, {"max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"})) {
    request->stop.max_tokens = n->as_int();
  }
  if (const Json* thinking = spec.settings.find("thinking"); thinking != nullptr && thinking->is_bool() && chat != nullptr &&
                                                             !says(body, {"reasoning_effort", "reasoning", "thinking", "think", "mode", "firesteel"})) {
    request->stop.thinking_budget = thinking->as_bool() ? -1 : 0;
    chat->template_variables.set("enable_thinking", thinking->as_bool());
    if (!thinking->as_bool() && request->tools) {  // the server's own, which go with thinking (own_tools.h)
      request->tools.reset();
      chat->tools = Json();
    }
  }
}

std::optional<ApiError> apply_release(ServerContext* context, const Call& call, const std::string& model, const std::string& surface, const Json& body,
                                      const std::string& message, Exchange* exchange, GenerationHooks* hooks) {
  if (context->releases == nullptr || exchange->fork || exchange->requests.empty()) return std::nullopt;
  ReleaseController& releases = *context->releases->controller;
  const std::string tenant = call.principal->tenant.str();
  std::optional<Assignment> assignment;
  // An adapter that is asked for by name is not what is to be tried out.
  if (exchange->requests.front().adapter.empty()) assignment = releases.assign(model, {"partner:" + call.principal->tenant_name, surface}, tenant, person_of(call, body));
  if (!assignment) {
    const std::string name = exchange->requests.front().adapter.empty() ? context->options.model_id : model;
    hooks->observe = observer(context, call, *exchange, Assignment{.name = name, .number = 0, .digest = name, .spec = nullptr, .surface = surface}, message, /*is_variant=*/false);
    return std::nullopt;
  }
  if (const std::string why = obstacle(context, *assignment->spec); !why.empty()) {
    return ApiError{.kind = ApiErrorKind::kNotFound, .message = assignment->name + " " + std::to_string(assignment->number) + " cannot be served here: " + why,
                    .code = "model_not_found"};
  }
  if (assignment->shadow != nullptr && obstacle(context, *assignment->shadow).empty()) {
    ShadowRunner::Work work{exchange->requests.front(), *assignment, tenant};
    apply_variant(*assignment->shadow, body, &work.request);
    work.request.priority = Priority::kBatch;
    work.request.flow = call.principal->flow;
    work.request.cache_namespace = call.principal->cache_namespace;
    work.request.agents.reset();
    context->releases->shadow.add(std::move(work));
  }
  std::function<void(const GenerationOutcome&)> observe = observer(context, call, *exchange, *assignment, message, /*is_variant=*/true);
  for (GenerateRequest& request : exchange->requests) apply_variant(*assignment->spec, body, &request);
  exchange->has_variant = true;
  exchange->headers.emplace_back("x-firesteel-variant", assignment->name + "@" + std::to_string(assignment->number) + " " + assignment->digest.substr(0, 12));
  hooks->observe = std::move(observe);
  return std::nullopt;
}

}  // namespace firesteel
