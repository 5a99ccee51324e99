// POST /v1/completions: text goes on, without a template.
#include <algorithm>
#include <string>
#include <utility>

#include "server/dialects/answer_encoder.h"
#include "server/dialects/dialects.h"
#include "server/dialects/generation.h"
#include "server/dialects/json_writer.h"
#include "server/dialects/openai_common.h"

namespace firesteel {
namespace {

constexpr size_t kPromptsMax = 128;
constexpr int64_t kDefaultTokens = 16;

constexpr Parameter kCompletions[] = {
    {"model", Support::kSupported, "absent: the served model"},
    {"prompt", Support::kSupported, "a string, strings, token ids or lists of them; at most 128"},
    {"max_tokens", Support::kSupported, "default 16"},
    {"temperature", Support::kSupported, "0 to 2; default: the model's, or 1"},
    {"top_p", Support::kSupported, "0 to 1; default: the model's, or 1"},
    {"n", Support::kSupported, "1 to 16; at most 128 choices in all"},
    {"stream"},
    {"stream_options"},
    {"logprobs", Support::kSupported, "0 to 5; without echo"},
    {"echo"},
    {"stop", Support::kSupported, "a string or at most 4"},
    {"presence_penalty"},
    {"frequency_penalty"},
    {"logit_bias"},
    {"seed"},
    {"user"},
    {"firesteel"},
    {"best_of", Support::kSupported, "only as many as n"},
    {"suffix", Support::kRefused, "there is no filling in"},
};

class CompletionEncoder final : public AnswerEncoder {
 public:
  CompletionEncoder(size_t n_choices, size_t n_per_prompt, StreamOptions stream, bool logprobs, std::vector<std::string> echoes, OpenAiHead head, std::string report)
      : AnswerEncoder(n_choices, {}, stream.on, true, head.request_id),
        n_per_prompt_(n_per_prompt),
        usage_in_stream_(stream.include_usage),
        logprobs_(logprobs),
        echoes_(std::move(echoes)),
        head_text_(head.text("text_completion")),
        generator_(head.generator),
        report_(std::move(report)),
        offsets_(n_choices, 0) {
    keep_logprobs_ = logprobs;
  }

  void begin(std::string* out) override {
    if (!stream_ || echoes_.empty()) return;
    for (size_t i = 0; i < choices_.size(); ++i) write_chunk(i, echoes_[i / n_per_prompt_], false, out);
  }
  void end(std::string* out) override {
    if (stream_) {
      if (usage_in_stream_) {
        *out += "data: {" + head_text_ + ",\"choices\":[],\"usage\":";
        write_openai_usage(totals(n_per_prompt_), out);
        *out += ",\"firesteel\":" + with_agents(report_) + "}\n\n";
      }
      *out += "data: [DONE]\n\n";
      return;
    }
    *out += "{" + head_text_ + ",\"choices\":[";
    for (size_t i = 0; i < choices_.size(); ++i) {
      if (i > 0) out->push_back(',');
      write_choice(i, (echoes_.empty() ? std::string() : echoes_[i / n_per_prompt_]) + choices_[i].text, true, out);
    }
    *out += "],\"usage\":";
    write_openai_usage(totals(n_per_prompt_), out);
    *out += ",\"firesteel\":" + with_agents(report_) + "}";
  }
  void fail(const ApiError& error, std::string* out) override {
    if (stream_) *out += "data: " + error_body(error, Dialect::kOpenAi, request_id_) + "\n\n";
  }
  void heartbeat(std::string* out) override {
    if (stream_) *out += ": keep-alive\n\n";
  }

 private:
  void write_deltas(size_t index, const std::vector<AnswerDelta>& deltas, std::string* out) override {
    for (const AnswerDelta& delta : deltas) write_chunk(index, delta.text, false, out);
  }
  void write_done(size_t index, std::string* out) override { write_chunk(index, {}, true, out); }

  void write_chunk(size_t index, std::string_view text, bool done, std::string* out) {
    *out += "data: {";
    *out += head_text_;
    *out += ",\"choices\":[";
    write_choice(index, text, done, out);
    *out += "]";
    if (usage_in_stream_) *out += ",\"usage\":null";
    else if (done && std::all_of(choices_.begin(), choices_.end(), [](const Choice& c) { return c.done; })) *out += ",\"firesteel\":" + with_agents(report_);
    *out += "}\n\n";
  }

  void write_choice(size_t index, std::string_view text, bool done, std::string* out) {
    Choice& choice = choices_[index];
    JsonWriter json(out);
    json.begin_object().member("text", text).member("index", index).key("logprobs");
    if (logprobs_ && choice.n_logprobs_told < choice.logprobs.size()) write_logprobs(index, &json);
    else json.value(nullptr);
    json.key("finish_reason");
    if (done) json.value(choice.is_cut() ? "length" : "stop");
    else json.value(nullptr);
    json.end_object();
  }

  // The older form: lists side by side, offsets in bytes of the answer's text.
  void write_logprobs(size_t index, JsonWriter* json) {
    Choice* choice = &choices_[index];
    std::string tokens = "[", values = "[", tops = "[", offsets = "[";
    JsonWriter token(&tokens), value(&values), top(&tops), offset(&offsets);
    bool first = true;
    for (; choice->n_logprobs_told < choice->logprobs.size(); ++choice->n_logprobs_told) {
      const LogprobEntry& entry = choice->logprobs[choice->n_logprobs_told];
      const std::string text = generator_->token_text(entry.token);
      for (std::string* list : {&tokens, &values, &tops, &offsets}) {
        if (!first) list->push_back(',');
      }
      first = false;
      token.value(text);
      value.value(shown_logprob(entry.logprob));
      offset.value(offsets_[index]);
      offsets_[index] += text.size();
      top.begin_object();
      std::vector<std::string> seen;  // two tokens may have the same bytes
      for (const TokenLogprob& other : entry.top) {
        const std::string name = generator_->token_text(other.id);
        if (std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
        top.member(name, shown_logprob(other.logprob));
        seen.push_back(name);
      }
      top.end_object();
    }
    json->begin_object().key("tokens").raw(tokens + "]").key("token_logprobs").raw(values + "]");
    json->key("top_logprobs").raw(tops + "]").key("text_offset").raw(offsets + "]").end_object();
  }

  const size_t n_per_prompt_;
  const bool usage_in_stream_;
  const bool logprobs_;
  const std::vector<std::string> echoes_;   // per prompt, or none
  const std::string head_text_;
  const Generator* generator_;
  const std::string report_;
  std::vector<size_t> offsets_;   // of each choice's next token
};

}  // namespace

extern const ParameterTable kOpenAiCompletionsTable;
const ParameterTable kOpenAiCompletionsTable = {"POST /v1/completions", kCompletions};

ExchangeOrError parse_openai_completions(const HttpRequest& request, const ExchangeContext& context) {
  ReadState state;
  const auto json = parse_body(request.body, &state);
  if (!json) return *state.error;
  const BodyReader body(*json, "", &state);
  const ModelInfo info = context.generator->info();
  Generation generation;
  body.check(kOpenAiCompletionsTable);
  Exchange exchange;
  exchange.model = read_model(body, context);
  const std::vector<Prompt> prompts = read_prompts(body, "prompt", kPromptsMax, info);
  read_openai_sampling(body, 4, info, &generation);
  generation.stop.max_tokens = body.integer("max_tokens", 1, kTokensMax).value_or(kDefaultTokens);
  if (const auto n = body.integer("n", 1, kChoicesMax)) generation.n = *n;
  if (const auto best = body.integer("best_of", 1, 20); best && *best != generation.n) {
    body.fail("best_of", "expected " + std::to_string(generation.n) + " (n), found " + std::to_string(*best), "unsupported_parameter");
  }
  if (prompts.size() * static_cast<size_t>(generation.n) > kPromptsMax) body.fail("n", "expected at most 128 choices in all");
  const auto logprobs = body.integer("logprobs", 0, 5);
  if (logprobs) generation.sampling.n_top_logprobs = static_cast<int>(*logprobs);
  const bool echo = body.boolean("echo").value_or(false);
  if (echo && logprobs) body.fail("logprobs", "together with echo: not supported", "unsupported_parameter");
  read_extension(body, info, &generation);
  if (generation.own_tools && !generation.own_tools->empty()) body.fail("firesteel.tools", "not together with a raw prompt", "unsupported_parameter");
  body.string("user");
  const StreamOptions stream = read_stream_options(body);
  std::vector<std::string> echoes;
  for (size_t i = 0; echo && i < prompts.size() && state.ok(); ++i) {
    if (const auto* raw = std::get_if<RawPrompt>(&prompts[i])) {
      echoes.push_back(raw->text);
      continue;
    }
    auto text = context.generator->detokenize(std::get<TokenPrompt>(prompts[i]).ids);
    if (!text.ok()) return to_api_error(text.error());
    echoes.push_back(std::move(*text));
  }
  if (!state.ok()) return *state.error;

  const int64_t seed = effective_seed(generation, context);
  exchange.stream = stream.on;
  if (stream.on) exchange.content_type = "text/event-stream";
  add_ignored_header(state.ignored, &exchange.headers);
  const size_t n_per_prompt = static_cast<size_t>(generation.n);
  exchange.encoder = std::make_unique<CompletionEncoder>(prompts.size() * n_per_prompt, n_per_prompt, stream, logprobs.has_value(), std::move(echoes),
                                                         OpenAiHead::make("cmpl-", exchange.model, info, context),
                                                         extension_report(generation, seed, state.ignored));
  for (const Prompt& prompt : prompts) {
    generation.prompt = prompt;
    for (GenerateRequest& one : make_requests(generation, seed, context)) exchange.requests.push_back(std::move(one));
  }
  return exchange;
}

}  // namespace firesteel
