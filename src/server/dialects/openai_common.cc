#include "server/dialects/openai_common.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "server/dialects/json_writer.h"

namespace firesteel {

StreamOptions read_stream_options(const BodyReader& body) {
  StreamOptions out;
  out.on = body.boolean("stream").value_or(false);
  if (const auto options = body.object("stream_options")) {
    static constexpr Parameter kOptions[] = {{"include_usage"}, {"include_obfuscation", Support::kIgnored}};
    options->check({"stream_options", kOptions});
    if (!out.on) body.fail("stream_options", "needs stream");
    out.include_usage = options->boolean("include_usage").value_or(false);
  }
  return out;
}

void read_openai_sampling(const BodyReader& body, size_t n_stop_max, const ModelInfo& info, Generation* out) {
  SamplingParams& sampling = out->sampling;
  sampling.temperature = body.number("temperature", 0, 2).value_or(info.sampling.temperature.value_or(1.0));
  sampling.top_p = body.number("top_p", 0, 1).value_or(info.sampling.top_p.value_or(1.0));
  use_sampling_defaults(info, &sampling);
  sampling.presence_penalty = body.number("presence_penalty", -2, 2).value_or(0.0);
  sampling.frequency_penalty = body.number("frequency_penalty", -2, 2).value_or(0.0);
  out->seed = body.integer("seed", INT64_MIN, INT64_MAX);
  read_stop(body, "stop", n_stop_max, out);
  read_logit_bias(body, info, out);
}

void read_openai_max_tokens(const BodyReader& body, std::initializer_list<std::string_view> names, Generation* out) {
  std::string_view first;
  for (const std::string_view name : names) {
    const auto value = body.integer(name, 1, kTokensMax);
    if (!value) continue;
    if (!first.empty() && *value != out->stop.max_tokens) return body.fail(name, "differs from " + std::string(first));
    out->stop.max_tokens = *value;
    first = name;
  }
}

namespace {

// False, with the failure noted, when it is no list of token ids.
bool read_ids(const Json& list, const std::string& path, const ModelInfo& info, ReadState* state, TokenPrompt* out) {
  if (list.as_array().empty()) state->fail(path, "expected at least one token");
  for (size_t i = 0; i < list.as_array().size() && state->ok(); ++i) {
    const auto id = as_integer(list.as_array()[i]);
    if (id && *id >= 0 && *id < info.n_vocab) {
      out->ids.push_back(static_cast<TokenId>(*id));
    } else {
      state->fail(path + "[" + std::to_string(i) + "]",
                  "expected a token id from 0 to " + std::to_string(info.n_vocab - 1) + ", found " + describe(list.as_array()[i]));
    }
  }
  return state->ok();
}

}  // namespace

std::vector<Prompt> read_prompts(const BodyReader& body, std::string_view name, size_t n_max, const ModelInfo& info) {
  std::vector<Prompt> out;
  const Json* value = body.get(name);
  if (value == nullptr) {
    body.fail(name, "missing");
    return out;
  }
  const std::string path = body.path(name);
  if (value->is_string()) {
    out.emplace_back(RawPrompt{.text = value->as_string()});
    return out;
  }
  if (!value->is_array() || value->as_array().empty()) {
    body.fail(name, "expected a string, strings, token ids or lists of token ids, found " + (value->is_array() ? "an empty array" : describe(*value)));
    return out;
  }
  const Json::Array& items = value->as_array();
  if (items.front().is_number()) {
    TokenPrompt ids;
    if (read_ids(*value, path, info, body.state(), &ids)) out.emplace_back(std::move(ids));
    return out;
  }
  if (items.size() > n_max) {
    body.fail(name, "expected at most " + std::to_string(n_max) + " items, found " + std::to_string(items.size()));
    return out;
  }
  for (size_t i = 0; i < items.size() && body.ok(); ++i) {
    const std::string item_path = path + "[" + std::to_string(i) + "]";
    if (items[i].is_string() && items.front().is_string()) {
      out.emplace_back(RawPrompt{.text = items[i].as_string()});
    } else if (items[i].is_array() && items.front().is_array()) {
      TokenPrompt ids;
      if (read_ids(items[i], item_path, info, body.state(), &ids)) out.emplace_back(std::move(ids));
    } else {
      body.state()->fail(item_path, "expected strings only, or lists of token ids only, found " + describe(items[i]));
    }
  }
  return out;
}

void read_openai_bookkeeping(const BodyReader& body) {
  body.string("user");
  if (body.boolean("store").value_or(false)) body.fail("store", "completions are not stored: expected false, found true", "unsupported_parameter");
  if (const Json::Array* modalities = body.array("modalities", 16)) {
    for (const Json& one : *modalities) {
      if (one != Json("text")) body.fail("modalities", "expected [\"text\"], found " + describe(one), "unsupported_parameter");
    }
  }
  if (const auto metadata = body.object("metadata")) {
    if (metadata->json().as_object().size() > 16) body.fail("metadata", "expected at most 16 members");
    for (const auto& [key, value] : metadata->json().as_object()) {
      if (key.size() > 64 || !value.is_string() || value.as_string().size() > 512) {
        body.fail("metadata", "expected strings of at most 512 bytes with names of at most 64");
      }
    }
  }
}

OpenAiHead OpenAiHead::make(std::string_view id_prefix, std::string model, const ModelInfo& info, const ExchangeContext& context) {
  return {.id = make_id(id_prefix, context.request_id),
          .model = std::move(model),
          .fingerprint = "fp_" + info.digest.substr(0, 10),
          .request_id = context.request_id,
          .created = context.now_unix_s,
          .generator = context.generator};
}

std::string OpenAiHead::text(std::string_view object) const {
  std::string out;
  JsonWriter json(&out);
  json.begin_object().member("id", id).member("object", object).member("created", created).member("model", model);
  json.member("system_fingerprint", fingerprint);
  return out.substr(1);
}

double shown_logprob(float logprob) { return std::isfinite(logprob) ? static_cast<double>(logprob) : -9999.0; }

void write_openai_usage(const AnswerTotals& totals, std::string* out) {
  JsonWriter json(out);
  json.begin_object().member("prompt_tokens", totals.prompt).member("completion_tokens", totals.generated);
  json.member("total_tokens", totals.prompt + totals.generated);
  json.key("prompt_tokens_details").begin_object().member("cached_tokens", totals.cached).end_object();
  json.key("completion_tokens_details").begin_object().member("reasoning_tokens", totals.thinking).end_object().end_object();
}

namespace {

// Left open for more members.
void begin_token(TokenId id, float logprob, const Generator* generator, JsonWriter* json) {
  const std::string bytes = generator->token_text(id);
  json->begin_object().member("token", bytes).member("logprob", shown_logprob(logprob)).key("bytes").begin_array();
  for (const char byte : bytes) json->value(static_cast<int>(static_cast<unsigned char>(byte)));
  json->end_array();
}

}  // namespace

void write_openai_logprobs(const std::vector<LogprobEntry>& entries, size_t* n_told, const Generator* generator, std::string* out) {
  JsonWriter json(out);
  json.begin_object().key("content").begin_array();
  for (; *n_told < entries.size(); ++*n_told) {
    const LogprobEntry& entry = entries[*n_told];
    begin_token(entry.token, entry.logprob, generator, &json);
    json.key("top_logprobs").begin_array();
    for (const TokenLogprob& other : entry.top) {
      begin_token(other.id, other.logprob, generator, &json);
      json.end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().member("refusal", nullptr).end_object();
}

}  // namespace firesteel
