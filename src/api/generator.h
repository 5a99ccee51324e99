// What callers and the engine agree on, in process. Server, agents and evaluation know a Generator, never the engine, and are
// tested against a fake (fake_generator.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/agents.h"
#include "api/request_group.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/result.h"
#include "base/rgb_image.h"

namespace firesteel {

struct SamplingParams {
  double temperature = 0.8;        // 0: greedy
  int top_k = 0;                   // 0: off
  double top_p = 1.0;              // 1: off
  double min_p = 0.0;              // 0: off
  double repetition_penalty = 1.0; // > 0; divides positive, multiplies negative logits of seen tokens
  double presence_penalty = 0.0;   // -2..2
  double frequency_penalty = 0.0;  // -2..2
  std::vector<std::pair<TokenId, float>> logit_bias = {};
  uint64_t seed = 0;
  int n_top_logprobs = -1;         // -1: none; 0: of the sampled token only; up to 20 alternatives
};

struct StopParams {
  int64_t max_tokens = -1;                 // -1: until the context is full
  std::vector<std::string> strings = {};   // at most 16, not part of the text
  std::vector<TokenId> token_ids = {};
  bool ignore_end_of_generation = false;
  // At most this many tokens between the model's think markers; then the end marker is forced. -1: no limit; 0: no thinking.
  int64_t thinking_budget = -1;
};

// A conversation to be rendered by the model's template, raw text (no template), or ids as they are.
struct ChatPrompt {
  Json messages;               // array of {role, content, ...}
  Json tools;                  // array or null
  Json template_variables;     // object or null: enable_thinking, add_generation_prompt (true unless said) ...
  int64_t now_unix_s = 0;      // for templates that print the date, so that an answer can be replayed; 0: the wall clock
};
struct RawPrompt {
  std::string text;
  bool parse_special = false;  // whether "<|im_end|>" becomes the control token; never for text that a user wrote
};
struct TokenPrompt { std::vector<TokenId> ids; };
using Prompt = std::variant<ChatPrompt, RawPrompt, TokenPrompt>;

enum class Priority : uint8_t { kInteractive, kBatch };

// The form that the answer must have, for every token of it; thinking before the answer is free. A language that is not understood
// whole is refused with the place in it, never ignored. The answer ends (kStop) where the language has no continuation, or where the
// model ends it and the language allows that; cut off (kLength, a stop string) it is a beginning of a text of the language.
struct Constraint {
  enum class Kind : uint8_t { kJsonObject, kJsonSchema, kRegex, kGrammar };
  Kind kind = Kind::kJsonObject;
  std::string text = {};  // the schema as JSON; a pattern for the whole answer; a grammar. kJsonObject: empty
  bool operator==(const Constraint&) const = default;
};

// A decoded picture, sides 1 to 16384.
using ImagePtr = std::shared_ptr<const RgbImage>;
inline constexpr size_t kImagesMax = 16;  // of one request

// The generator's own tools that the model may call on its way to this answer. An AgentGenerator (src/agents) understands it.
struct ToolUse {
  std::vector<std::string> names = {};  // of ModelInfo::tools; the prompt must declare them; empty: none
  std::string owner = {};               // whose documents they may read: the server's word, never the client's
  bool reports_calls = false;           // the stream has kAgent events of calls
  // Somebody reads the stream who can answer: calls that need a person's word are asked (kAgent events of type "confirm") and wait for
  // TokenStream::confirm. Otherwise they are refused.
  bool confirms = false;
  std::vector<std::string> allowed = {};  // tools that a person has allowed for this conversation before
  std::string tainted_by = {};            // where strangers' text that the prompt holds came from; empty: nowhere
};

struct GenerateRequest {
  Prompt prompt;
  SamplingParams sampling;
  StopParams stop;
  FlowId flow{0};                  // fairness: requests of one flow share its turn
  Priority priority = Priority::kInteractive;
  CacheNamespace cache_namespace;  // prefix reuse happens inside one namespace only
  bool use_prefix_cache = true;
  int64_t deadline_us = 0;         // on the engine's clock; 0: none
  std::optional<Constraint> constraint = {};
  std::shared_ptr<RequestGroup> group = {};  // whose budget it spends; null: nobody's
  // In the order in which the prompt shows them: parts {"type": "image"} of a conversation's messages; one picture token of the
  // vocabulary in raw text; in ids as many picture tokens as tokenize() gave.
  std::vector<ImagePtr> images = {};
  // Absent: none, or with agents those that models use by themselves. Refused by a generator that is one engine (kUnsupported).
  std::optional<ToolUse> tools = {};
  std::optional<AgentParams> agents = {};    // several agents may answer; refused by a generator that is one engine (kUnsupported)
  // Digest of a loaded adapter (AdapterInfo), empty: the base model. Branches and contexts keep their prompt's. Unknown: kNotFound.
  std::string adapter = {};
};

// Forks inside forks: branches of a prefilled context have depth 1, branches of those (context_of) depth 2.
inline constexpr int kForkDepthMax = 4;

// One branch of a fork: what differs from the others.
struct BranchRequest {
  Prompt suffix;                   // RawPrompt or TokenPrompt: appended to the context
  SamplingParams sampling;
  StopParams stop;
  std::optional<Constraint> constraint = {};
  int64_t deadline_us = 0;         // on the engine's clock; 0: none
  std::shared_ptr<RequestGroup> group = {};
};

enum class FinishReason : uint8_t { kStop, kLength, kCancelled, kDeadline, kError };
const char* finish_reason_name(FinishReason reason);  // "stop", "length", "cancelled", "deadline", "error"

struct TokenLogprob {
  TokenId id = 0;
  float logprob = 0;
};

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;       // of the prompt, taken from the prefix cache or the forked context
  int64_t generated_tokens = 0;
  int64_t queued_us = 0, first_token_us = 0, total_us = 0;  // since submit
};

// Every accepted request gives zero or more kToken events and exactly one kDone.
struct GenerateEvent {
  // kAgent: what a run of agents does (AgentParams::reports_lanes); has only `report`.
  enum class Kind : uint8_t { kToken, kDone, kAgent };
  Kind kind = Kind::kToken;
  std::string text;                      // text that became showable; may be empty (held back) or also come with kDone
  TokenId token = -1;                    // kToken
  float logprob = 0;                     // of the token under the model's distribution (temperature 1), if asked for
  std::vector<TokenLogprob> top;         // n_top_logprobs alternatives, best first
  bool thinking = false;                 // the token lies between the think markers
  FinishReason reason = FinishReason::kStop;  // kDone
  Error error;                           // kDone with kError
  std::string stop_string;               // kDone: the stop string that matched, if one did
  Usage usage;                           // kDone
  std::shared_ptr<const Json> report = {};  // kAgent: an event of a lane; kDone after a run of agents or calls of tools: its ledger (docs/subagents.md)
};

// The reader's end of one request, for one thread at a time (cancel: any). Dropping it cancels the request.
class TokenStream {
 public:
  virtual ~TokenStream() = default;
  // Waits for the next event; nullopt after kDone was returned.
  virtual std::optional<GenerateEvent> next() = 0;
  // Does not wait: nullopt when nothing is ready, or after kDone was returned.
  virtual std::optional<GenerateEvent> try_next() = 0;
  // kDone was returned.
  virtual bool done() const = 0;
  // `waker` is called when try_next may have something: from any thread, once per event at most, without locks held, and at once
  // from here when something is ready already. It must be cheap, and must not call or destroy the stream itself (it may post to
  // someone who does). Set it before the first try_next. An empty function removes it; after that call, or the destructor, has
  // returned, the old one is never called again.
  virtual void set_waker(std::function<void()> waker) = 0;
  // Asks for the end: blocks are free within one step, the stream ends with kCancelled.
  virtual void cancel() = 0;
  // Asks for the end of one lane of a run of agents, by its number in the ledger; the rest of the run goes on. False: there is no such
  // lane, or it has ended. Any thread.
  virtual bool cancel_lane(int /*lane*/) { return false; }
  // A person's word about the call that an event {"type": "confirm", "confirm": question} asked about. False: it does not wait (any
  // more), or its tool is asked about every time and `word` is kAlways. Any thread.
  virtual bool confirm(int64_t /*question*/, ConfirmWord /*word*/) { return false; }
};

// A prefilled context that branches can be forked from. Dropping it releases its blocks.
class Context {
 public:
  virtual ~Context() = default;
  virtual int64_t n_tokens() const = 0;
  virtual int depth() const = 0;  // 0: prefilled; k: made from a branch of depth k
};

// How a model wants to be sampled where the caller says nothing; absent: the caller's own default.
struct SamplingDefaults {
  std::optional<double> temperature = {}, top_p = {}, min_p = {}, repetition_penalty = {};
  std::optional<int> top_k = {};
};

// A tool that the generator runs itself.
struct ToolInfo {
  std::string name;
  Json declaration;        // as chat templates take it: {"type": "function", "function": {...}}
  bool automatic = false;  // the model uses it unless the caller says otherwise
  std::string scope = {};  // what a key must be allowed beside inference, as schema/identity.h names it; empty: nothing
};

// What a generator serves. Facts of the file; the caller that loads it gives the name.
struct ModelInfo {
  std::string name;
  std::string architecture;          // "llama", "qwen3" ...
  std::string quantisation;          // of most weights: "Q4_K", "F16" ...
  std::string digest;                // of the content, hexadecimal: what caches are keyed by
  int64_t context_length = 0;        // effective: of this generator, tokens
  int64_t n_parameters = 0;
  int64_t n_vocab = 0;
  int64_t embedding_dim = 0;
  int64_t file_bytes = 0;
  bool has_chat_template = false;
  bool can_see = false;              // takes images
  bool can_think = false;            // the template can switch thinking, or the vocabulary has its markers
  bool has_agents = false;           // GenerateRequest::agents is understood
  std::string chat_template = {};    // source; empty when there is none
  int64_t created_unix_s = 0;        // of the file
  SamplingDefaults sampling = {};
  std::vector<ToolInfo> tools = {};  // that GenerateRequest::tools may name
};

// A loaded adapter: low-rank changes of the model's weights that a request may ask for. Many are used in one batch.
struct AdapterInfo {
  std::string digest;                // SHA-256 of the file, hexadecimal: what requests name and caches are keyed by
  std::string name;                  // of the file's metadata; may be empty
  int64_t rank = 0;                  // the largest
  double alpha = 0;
  int64_t n_parameters = 0;
  int64_t n_used_by = 0;             // sequences and contexts that hold it
};

// Sums are since the start, of accepted requests.
struct GeneratorStats {
  int64_t n_running = 0, n_waiting = 0;
  uint64_t kv_bytes_used = 0;        // by sequences, contexts and the prefix cache
  uint64_t kv_bytes_max = 0;
  uint64_t prompt_tokens = 0;
  uint64_t cached_tokens = 0;        // of them, not computed
  uint64_t generated_tokens = 0;
  uint64_t n_requests = 0;
  uint64_t n_preemptions = 0;
  uint64_t prefix_queries = 0;       // requests that looked into the prefix cache
  uint64_t prefix_hits = 0;          // those that found something
};

// Thread-safe.
class Generator {
 public:
  virtual ~Generator() = default;

  // Validates, renders and encodes on the calling thread, then queues. Refusals: kInvalidArgument (a parameter out of range, named;
  // a prompt longer than the context, with both counts), kResourceExhausted (queue full).
  virtual Result<std::unique_ptr<TokenStream>> submit(GenerateRequest request) = 0;

  // Prefills a context and keeps it. Waits until it is ready. Sampling and stop of the request are not used.
  virtual Result<std::shared_ptr<Context>> prefill(GenerateRequest request) = 0;

  // Forks the context once per branch, copy-on-write, all advanced in one batch. Same bytes as separate requests with the
  // concatenated prompts and the same seeds.
  // kInvalidArgument names the branch; a branch deeper than kForkDepthMax is refused.
  virtual Result<std::vector<std::unique_ptr<TokenStream>>> fork(const std::shared_ptr<Context>& context, std::vector<BranchRequest> branches) = 0;

  // What a stream's request knows as a context, so that a branch can fork again: its prompt and the first n_generated tokens of its
  // answer, or all that there are by now (-1). The stream may be running, and goes on, or have ended (an end-of-generation token is
  // not part of it). kInvalidArgument: not of this generator, or fewer tokens than that.
  virtual Result<std::shared_ptr<Context>> context_of(const TokenStream& stream, int64_t n_generated = -1) = 0;

  // The ids that a prompt becomes (template rendered, BOS added) and their count, as submit would have them. Same refusals. A picture
  // is one picture token of the vocabulary for each of its patches.
  virtual Result<int64_t> count_tokens(const Prompt& prompt, std::span<const ImagePtr> images = {}) = 0;
  virtual Result<std::vector<TokenId>> tokenize(const Prompt& prompt, std::span<const ImagePtr> images = {}) = 0;
  // Bytes become UTF-8 (U+FFFD for what no character can contain); control tokens give nothing. kInvalidArgument: an id out of range.
  virtual Result<std::string> detokenize(std::span<const TokenId> ids) = 0;
  // The bytes of one token, control tokens with their name; not necessarily UTF-8. Empty for ids out of range.
  virtual std::string token_text(TokenId id) const = 0;

  virtual ModelInfo info() const = 0;
  virtual GeneratorStats stats() const = 0;  // cheap

  // Adapters come and go while others answer. load: reads a file, checks it against the model (see model/adapter.h for refusals) and
  // makes it known; twice the same content is one adapter. kResourceExhausted: as many as fit are loaded. unload: requests that come
  // later are refused; those under way keep it to their end, and its memory with them. kNotFound.
  virtual Result<AdapterInfo> load_adapter(const std::string& path) { return Error{ErrorCode::kUnsupported, path + ": adapters are not supported here"}; }
  virtual Status unload_adapter(const std::string& digest) { return Error{ErrorCode::kNotFound, "adapter " + digest + ": not loaded"}; }
  virtual std::vector<AdapterInfo> adapters() const { return {}; }

  // The mean of the prompt tokens' last hidden states (after the output norm), scaled to length 1: [embedding_dim]. Waits.
  virtual Result<std::vector<float>> embed(const Prompt& prompt) = 0;
};

}  // namespace firesteel
