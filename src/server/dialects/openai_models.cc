// GET /v1/models, POST /v1/embeddings, POST /tokenize and /detokenize.
#include <bit>
#include <string>
#include <utility>

#include "server/dialects/dialects.h"
#include "server/dialects/generation.h"
#include "server/dialects/json_writer.h"
#include "server/dialects/openai_common.h"

namespace firesteel {
namespace {

constexpr size_t kInputsMax = 2048;

constexpr Parameter kEmbeddings[] = {
    {"model", Support::kSupported, "absent: the served model"},
    {"input", Support::kSupported, "a string, strings, token ids or lists of them; at most 2048"},
    {"encoding_format", Support::kSupported, "float (default) or base64 of little-endian 32-bit floats"},
    {"dimensions", Support::kSupported, "only the model's own"},
    {"user", Support::kIgnored},
};
constexpr Parameter kTokenize[] = {{"content"}, {"add_special", Support::kIgnored, "as the model wants it"}, {"parse_special", Support::kSupported, "false only"}, {"with_pieces"}};
constexpr Parameter kDetokenize[] = {{"tokens"}};

void write_model(const std::string& id, const ModelInfo& info, JsonWriter* json) {
  json->begin_object().member("id", id).member("object", "model").member("created", info.created_unix_s).member("owned_by", "firesteel");
  json->member("context_length", info.context_length).member("images", info.can_see).key("modes").begin_array().value("instant");
  if (info.can_think) json->value("thinking");
  if (info.has_agents) json->value("contemplating");
  if (info.can_think || info.has_agents) json->value("auto");
  json->end_array().end_object();
}

std::string base64(const std::vector<float>& values) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  for (const float value : values) {
    const uint32_t word = std::bit_cast<uint32_t>(value);
    for (uint32_t shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>((word >> shift) & 0xFF));
  }
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = (group << 8) | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out.push_back(i + k <= bytes.size() ? kDigits[(group >> (18 - 6 * k)) & 63] : '=');
  }
  return out;
}

}  // namespace

extern const ParameterTable kEmbeddingsTable, kTokenizeTable, kDetokenizeTable;
const ParameterTable kEmbeddingsTable = {"POST /v1/embeddings", kEmbeddings};
const ParameterTable kTokenizeTable = {"POST /tokenize", kTokenize};
const ParameterTable kDetokenizeTable = {"POST /detokenize", kDetokenize};

ReplyOrError answer_openai_models(const HttpRequest&, const ExchangeContext& context) {
  const ModelInfo info = context.generator->info();
  std::string out;
  JsonWriter json(&out);
  json.begin_object().member("object", "list").key("data").begin_array();
  write_model(context.model_id, info, &json);
  for (const std::string& alias : context.aliases) write_model(alias, info, &json);
  json.end_array().end_object();
  return json_response(200, std::move(out));
}

ReplyOrError answer_openai_model(const HttpRequest& request, const ExchangeContext& context) {
  const std::string name = request.path_parameters.empty() ? std::string() : request.path_parameters.front();
  if (!is_model_name(name, context)) {
    return ApiError{.kind = ApiErrorKind::kNotFound, .message = "there is no model " + describe(Json(name)), .param = "model", .code = "model_not_found"};
  }
  std::string out;
  JsonWriter json(&out);
  write_model(name, context.generator->info(), &json);
  return json_response(200, std::move(out));
}

ReplyOrError answer_openai_embeddings(const HttpRequest& request, const ExchangeContext& context) {
  ReadState state;
  const auto body_json = parse_body(request.body, &state);
  if (!body_json) return *state.error;
  const BodyReader body(*body_json, "", &state);
  const ModelInfo info = context.generator->info();
  body.check(kEmbeddingsTable);
  const std::string model = read_model(body, context);
  const bool as_base64 = body.choice("encoding_format", {"float", "base64"}).value_or("float") == "base64";
  if (const auto dimensions = body.integer("dimensions", 1, kTokensMax); dimensions && *dimensions != info.embedding_dim) {
    body.fail("dimensions", "expected the model's " + std::to_string(info.embedding_dim) + ", found " + std::to_string(*dimensions), "unsupported_parameter");
  }
  const std::vector<Prompt> inputs = read_prompts(body, "input", kInputsMax, info);
  if (!state.ok()) return *state.error;
  const bool several = body.get("input")->is_array() && !body.get("input")->as_array().front().is_number();

  std::string out;
  JsonWriter json(&out);
  int64_t n_tokens = 0;
  json.begin_object().member("object", "list").key("data").begin_array();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto count = context.generator->count_tokens(inputs[i]);
    auto vector = count.ok() ? context.generator->embed(inputs[i]) : Result<std::vector<float>>(count.error());
    if (!vector.ok()) {
      ApiError error = to_api_error(vector.error());
      if (error.kind == ApiErrorKind::kInvalidRequest) error.param = several ? "input[" + std::to_string(i) + "]" : "input";
      return error;
    }
    n_tokens += *count;
    json.begin_object().member("object", "embedding").member("index", i).key("embedding");
    if (as_base64) {
      json.value(base64(*vector));
    } else {
      json.begin_array();
      for (const float value : *vector) json.value(value);
      json.end_array();
    }
    json.end_object();
  }
  json.end_array().member("model", model).key("usage").begin_object();
  json.member("prompt_tokens", n_tokens).member("total_tokens", n_tokens).end_object().end_object();
  HttpResponse response = json_response(200, std::move(out));
  add_ignored_header(state.ignored, &response.headers);
  return response;
}

ReplyOrError answer_tokenize(const HttpRequest& request, const ExchangeContext& context) {
  ReadState state;
  const auto body_json = parse_body(request.body, &state);
  if (!body_json) return *state.error;
  const BodyReader body(*body_json, "", &state);
  body.check(kTokenizeTable);
  const auto content = body.string("content");
  if (!content) body.fail("content", "missing");
  body.boolean("add_special");
  if (body.boolean("parse_special").value_or(false)) body.fail("parse_special", "expected false: text of a user names no control tokens");
  const bool pieces = body.boolean("with_pieces").value_or(false);
  if (!state.ok()) return *state.error;
  const auto ids = context.generator->tokenize(RawPrompt{.text = *content});
  if (!ids.ok()) return to_api_error(ids.error());
  std::string out;
  JsonWriter json(&out);
  json.begin_object().key("tokens").begin_array();
  for (const TokenId id : *ids) {
    if (!pieces) json.value(id);
    else json.begin_object().member("id", id).member("piece", context.generator->token_text(id)).end_object();
  }
  json.end_array().end_object();
  return json_response(200, std::move(out));
}

ReplyOrError answer_detokenize(const HttpRequest& request, const ExchangeContext& context) {
  ReadState state;
  const auto body_json = parse_body(request.body, &state);
  if (!body_json) return *state.error;
  const BodyReader body(*body_json, "", &state);
  body.check(kDetokenizeTable);
  const Json* tokens = body.get("tokens");
  std::vector<TokenId> ids;
  if (tokens == nullptr || !tokens->is_array()) {
    body.fail("tokens", "expected an array of token ids");
  } else if (!tokens->as_array().empty()) {
    if (!tokens->as_array().front().is_number()) body.fail("tokens[0]", "expected a token id, found " + describe(tokens->as_array().front()));
    const auto prompts = read_prompts(body, "tokens", 1, context.generator->info());
    if (state.ok()) ids = std::get<TokenPrompt>(prompts.front()).ids;
  }
  if (!state.ok()) return *state.error;
  const auto text = context.generator->detokenize(ids);
  if (!text.ok()) return to_api_error(text.error());
  std::string out;
  JsonWriter(&out).begin_object().member("content", *text).end_object();
  return json_response(200, std::move(out));
}

}  // namespace firesteel
