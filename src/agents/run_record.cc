#include "agents/run_record.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "agents/recorded_tools.h"
#include "agents/tool_run.h"
#include "base/base64.h"

namespace firesteel {
namespace {

constexpr size_t kPictureBytesMax = 4u << 20;  // of pixels in all; a stored ledger has at most 8 MiB, and base64 adds a third

Error broken(const std::string& what) { return {ErrorCode::kDataLoss, "ledger: " + what}; }

const char* constraint_name(Constraint::Kind kind) {
  switch (kind) {
    case Constraint::Kind::kJsonObject: return "json_object";
    case Constraint::Kind::kJsonSchema: return "json_schema";
    case Constraint::Kind::kRegex: return "regex";
    case Constraint::Kind::kGrammar: return "grammar";
  }
  return "?";
}

// The pictures as they were decoded; only their number where they are more than a ledger is meant to hold.
Json images_json(const std::vector<ImagePtr>& images) {
  size_t n_bytes = 0;
  for (const ImagePtr& image : images) n_bytes += image->pixels.size();
  if (n_bytes > kPictureBytesMax) return static_cast<int64_t>(images.size());
  Json::Array out;
  for (const ImagePtr& image : images) {
    const std::string_view bytes(reinterpret_cast<const char*>(image->pixels.data()), image->pixels.size());
    out.push_back(Json::Object{{"width", int64_t{image->width}}, {"height", int64_t{image->height}}, {"rgb", encode_base64(bytes)}});
  }
  return out;
}

Status read_images(const Json& json, std::vector<ImagePtr>* images) {
  if (json.is_int()) return Error{ErrorCode::kUnsupported, "replay: the request had pictures that were too large for its ledger (" + std::to_string(kPictureBytesMax >> 20) + " MiB of pixels)"};
  if (!json.is_array() || json.as_array().size() > kImagesMax) return broken("request.images is of another type, or too long");
  for (const Json& one : json.as_array()) {
    const Json *width = one.find("width"), *height = one.find("height"), *rgb = one.find("rgb");
    const auto is_side = [](const Json* side) { return side != nullptr && side->is_int() && side->as_int() > 0 && side->as_int() <= static_cast<int64_t>(kPictureBytesMax); };
    if (!is_side(width) || !is_side(height) || rgb == nullptr || !rgb->is_string()) return broken("a picture without width, height or pixels");
    FS_TRY(const std::string bytes, decode_base64(rgb->as_string()));
    if (bytes.size() != 3u * static_cast<uint64_t>(width->as_int()) * static_cast<uint64_t>(height->as_int())) return broken("a picture with more or fewer pixels than it says");
    RgbImage image{.width = static_cast<int32_t>(width->as_int()), .height = static_cast<int32_t>(height->as_int()), .pixels = {}};
    image.pixels.assign(bytes.begin(), bytes.end());
    images->push_back(std::make_shared<const RgbImage>(std::move(image)));
  }
  return {};
}

// Reads members of an object; the first wrong one is remembered.
class Members {
 public:
  Members(const Json* json, const char* name) : json_(json), name_(name) {
    if (json == nullptr || !json->is_object()) fail("");
  }
  double number(const char* key, double otherwise) {
    const Json* found = get(key);
    if (found == nullptr) return otherwise;
    if (!found->is_number()) return fail(key), otherwise;
    return found->as_double();
  }
  int64_t integer(const char* key, int64_t otherwise) {
    const Json* found = get(key);
    if (found == nullptr) return otherwise;
    if (!found->is_int()) return fail(key), otherwise;
    return found->as_int();
  }
  std::string text(const char* key) {
    const Json* found = get(key);
    if (found == nullptr) return {};
    if (!found->is_string()) return fail(key), std::string();
    return found->as_string();
  }
  const Json* get(const char* key) const { return json_ == nullptr ? nullptr : json_->find(key); }
  void fail(const char* key) { wrong_ = wrong_ ? wrong_ : std::string(name_) + "." + key; }
  Status status() const {
    if (wrong_) return broken(*wrong_ + " is missing or of another type");
    return {};
  }

 private:
  const Json* json_;
  const char* name_;
  std::optional<std::string> wrong_;
};

// One agent with its tools, held to the tokens that it had then.
AgentAnswer replay_tools(Generator* generator, GenerateRequest request, const AgentRun::Options& options) {
  std::get<ChatPrompt>(request.prompt).tools = tools_json(options.tools);
  const auto pin = options.replay->find("answer");
  if (pin != options.replay->end() && pin->second.n_tokens >= 0) request.stop.max_tokens = pin->second.n_tokens;
  ToolRun run = answer_with_tools(generator, request, options.tools, nullptr, [](const GenerateEvent&) {});
  AgentAnswer answer;
  answer.text = std::move(run.text);
  answer.thinking = std::move(run.thinking);
  answer.reason = run.reason;
  answer.error = std::move(run.error);
  answer.ledger = std::move(run.ledger);
  return answer;
}

}  // namespace

Json request_json(const GenerateRequest& request, const Json& declarations) {
  Json out;
  if (const auto* chat = std::get_if<ChatPrompt>(&request.prompt)) {
    out.set("messages", chat->messages);
    if (!chat->template_variables.is_null()) out.set("template_variables", chat->template_variables);
    out.set("now_unix_s", chat->now_unix_s);
  }
  const SamplingParams& sampling = request.sampling;
  Json sampled;
  sampled.set("temperature", sampling.temperature);
  sampled.set("top_k", sampling.top_k);
  sampled.set("top_p", sampling.top_p);
  sampled.set("min_p", sampling.min_p);
  sampled.set("repetition_penalty", sampling.repetition_penalty);
  sampled.set("presence_penalty", sampling.presence_penalty);
  sampled.set("frequency_penalty", sampling.frequency_penalty);
  sampled.set("seed", std::to_string(sampling.seed));
  if (!sampling.logit_bias.empty()) {
    Json::Array biases;
    for (const auto& [id, bias] : sampling.logit_bias) {
      Json::Array pair;
      pair.emplace_back(int64_t{id});
      pair.emplace_back(static_cast<double>(bias));
      biases.emplace_back(std::move(pair));
    }
    sampled.set("logit_bias", std::move(biases));
  }
  out.set("sampling", std::move(sampled));
  Json stop;
  stop.set("max_tokens", request.stop.max_tokens);
  stop.set("thinking_budget", request.stop.thinking_budget);
  Json::Array strings;
  for (const std::string& text : request.stop.strings) strings.emplace_back(text);
  stop.set("strings", std::move(strings));
  out.set("stop", std::move(stop));
  if (request.constraint) {
    Json constraint;
    constraint.set("kind", constraint_name(request.constraint->kind));
    constraint.set("text", request.constraint->text);
    out.set("constraint", std::move(constraint));
  }
  if (request.tools) {
    Json::Array names;
    for (const std::string& name : request.tools->names) names.emplace_back(name);
    out.set("tools", std::move(names));
  }
  if (declarations.is_array() && !declarations.as_array().empty()) out.set("declarations", declarations);
  if (!request.adapter.empty()) out.set("adapter", request.adapter);
  if (request.agents) {
    const AgentParams& params = *request.agents;
    Json agents;
    agents.set("mode", answer_mode_name(params.mode));
    agents.set("strategy", agent_strategy_name(params.strategy));
    agents.set("agents", params.n_agents);
    agents.set("budget_tokens", params.budget_tokens);
    agents.set("error_bound", params.error_bound);
    agents.set("vote_by", vote_by_name(params.vote_by));
    agents.set("at_once", params.n_at_once);
    agents.set("rounds", params.n_rounds);
    out.set("agents", std::move(agents));
  }
  if (!request.images.empty()) out.set("images", images_json(request.images));
  return out;
}

Result<GenerateRequest> request_of(const Json& json) {
  Members whole(&json, "request");
  GenerateRequest request;
  if (const Json* images = whole.get("images"); images != nullptr) FS_TRY_VOID(read_images(*images, &request.images));
  ChatPrompt chat;
  const Json* messages = whole.get("messages");
  if (messages == nullptr || !messages->is_array()) return broken("request.messages is missing or of another type");
  chat.messages = *messages;
  if (const Json* variables = whole.get("template_variables"); variables != nullptr) chat.template_variables = *variables;
  chat.now_unix_s = whole.integer("now_unix_s", 0);
  request.prompt = std::move(chat);
  request.adapter = whole.text("adapter");

  Members sampled(whole.get("sampling"), "request.sampling");
  SamplingParams& sampling = request.sampling;
  sampling.temperature = sampled.number("temperature", sampling.temperature);
  sampling.top_k = static_cast<int>(std::clamp<int64_t>(sampled.integer("top_k", 0), 0, INT32_MAX));
  sampling.top_p = sampled.number("top_p", 1);
  sampling.min_p = sampled.number("min_p", 0);
  sampling.repetition_penalty = sampled.number("repetition_penalty", 1);
  sampling.presence_penalty = sampled.number("presence_penalty", 0);
  sampling.frequency_penalty = sampled.number("frequency_penalty", 0);
  const std::string seed = sampled.text("seed");
  if (std::from_chars(seed.data(), seed.data() + seed.size(), sampling.seed).ec != std::errc()) sampled.fail("seed");
  if (const Json* biases = sampled.get("logit_bias"); biases != nullptr && biases->is_array()) {
    for (const Json& pair : biases->as_array()) {
      if (!pair.is_array() || pair.as_array().size() != 2 || !pair.as_array()[0].is_int() || !pair.as_array()[1].is_number()) {
        sampled.fail("logit_bias");
        break;
      }
      sampling.logit_bias.emplace_back(static_cast<TokenId>(pair.as_array()[0].as_int()), static_cast<float>(pair.as_array()[1].as_double()));
    }
  }
  FS_TRY_VOID(sampled.status());

  Members stop(whole.get("stop"), "request.stop");
  request.stop.max_tokens = stop.integer("max_tokens", -1);
  request.stop.thinking_budget = stop.integer("thinking_budget", -1);
  if (const Json* strings = stop.get("strings"); strings != nullptr && strings->is_array()) {
    for (const Json& text : strings->as_array()) {
      if (text.is_string()) request.stop.strings.push_back(text.as_string());
      else stop.fail("strings");
    }
  }
  FS_TRY_VOID(stop.status());

  if (const Json* given = whole.get("constraint"); given != nullptr) {
    Members constraint(given, "request.constraint");
    const std::string kind = constraint.text("kind");
    Constraint out{.kind = Constraint::Kind::kJsonObject, .text = constraint.text("text")};
    bool known = false;
    for (const auto one : {Constraint::Kind::kJsonObject, Constraint::Kind::kJsonSchema, Constraint::Kind::kRegex, Constraint::Kind::kGrammar}) {
      if (kind != constraint_name(one)) continue;
      out.kind = one;
      known = true;
    }
    if (!known) constraint.fail("kind");
    FS_TRY_VOID(constraint.status());
    request.constraint = std::move(out);
  }

  if (const Json* tools = whole.get("tools"); tools != nullptr && tools->is_array()) {
    request.tools.emplace();
    for (const Json& name : tools->as_array()) {
      if (name.is_string()) request.tools->names.push_back(name.as_string());
      else whole.fail("tools");
    }
    FS_TRY_VOID(whole.status());
  }
  if (request.tools && whole.get("agents") == nullptr) return request;  // one agent

  Members agents(whole.get("agents"), "request.agents");
  AgentParams params;
  const auto mode = find_answer_mode(agents.text("mode"));
  const auto strategy = find_agent_strategy(agents.text("strategy"));
  if (!mode) agents.fail("mode");
  if (!strategy) agents.fail("strategy");
  params.mode = mode.value_or(AnswerMode::kAuto);
  params.strategy = strategy.value_or(AgentStrategy::kAuto);
  params.n_agents = static_cast<int>(std::clamp<int64_t>(agents.integer("agents", 0), -1, 1000));
  params.budget_tokens = agents.integer("budget_tokens", -1);
  params.error_bound = agents.number("error_bound", params.error_bound);
  params.vote_by = VoteBy::kCount;  // of records without it, whatever the default is by now
  if (const Json* vote_by = agents.get("vote_by"); vote_by != nullptr) {
    const auto found = vote_by->is_string() ? find_vote_by(vote_by->as_string()) : std::nullopt;
    if (!found) agents.fail("vote_by");
    params.vote_by = found.value_or(VoteBy::kCount);
  }
  params.n_at_once = static_cast<int>(std::clamp<int64_t>(agents.integer("at_once", 0), -1, 1000));
  params.n_rounds = static_cast<int>(std::clamp<int64_t>(agents.integer("rounds", 1), -1, 1000));
  request.agents = params;
  FS_TRY_VOID(agents.status());
  FS_TRY_VOID(whole.status());
  return request;
}

Result<ReplayResult> replay_run(Generator* generator, const Json& ledger, AgentRun::Options options) {
  const Json* asked = ledger.find("request");
  const Json* text = ledger.find("answer");
  if (asked == nullptr || text == nullptr || !text->is_string()) return broken("it has no request, or no answer");
  FS_TRY(GenerateRequest request, request_of(*asked));
  FS_TRY(options.replay, lane_pins(ledger));
  FS_TRY(options.tools, replay_tools_of(ledger, options.tools));
  ReplayResult result;
  if (request.agents) {
    FS_TRY(result.answer, answer_with_agents(generator, std::move(request), std::move(options)));
  } else {
    result.answer = replay_tools(generator, std::move(request), options);
  }
  std::map<std::string, const LaneRecord*> now;
  for (const LaneRecord& lane : result.answer.ledger.lanes) now[lane.key] = &lane;
  for (const Json& lane : ledger.find("lanes")->as_array()) {
    const std::string key = lane.find("key")->as_string();
    const auto found = now.find(key);
    const auto same_text = [&](const char* name, const std::string& found_text) {
      const Json* stored = lane.find(name);
      return found_text == (stored != nullptr && stored->is_string() ? stored->as_string() : std::string());
    };
    if (found == now.end() || !same_text("text", found->second->text) || !same_text("thinking", found->second->thinking)) result.differences.push_back(key);
  }
  if (result.answer.text != text->as_string()) result.differences.emplace_back("answer");
  result.same = result.differences.empty();
  return result;
}

}  // namespace firesteel
