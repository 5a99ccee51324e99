// What a dialect makes of a request: work for the generator, and an encoder that turns the generator's events into the dialect's
// bytes. Both are plain synchronous code without sockets, so that they are tested and fuzzed alone; http_server pumps events through.
//
//   parse (JSON -> Exchange | ApiError)  >  submit each request  >  encoder.begin, event*, end  >  socket
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "api/generator.h"
#include "server/api_error.h"
#include "server/http_message.h"

namespace firesteel {

// Owned by one connection, used by one thread at a time. Appends bytes to `out`; appends nothing before end() or fail() when the
// exchange does not stream. A streaming answer's status is 200 from its first byte. Calls: begin, event*, then one of end and fail.
class ReplyEncoder {
 public:
  virtual ~ReplyEncoder() = default;
  virtual void begin(std::string* out) = 0;                                              // all requests were accepted
  virtual void event(size_t choice, const GenerateEvent& event, std::string* out) = 0;   // events of one choice come in order
  virtual void end(std::string* out) = 0;                                                // every choice had its kDone: the last bytes
  // Instead of end() (or after one whose bytes were not sent): a kDone with kError or kCancelled, which event() must not see. When the exchange does not stream this appends
  // nothing (it only closes what is to be recorded): the caller answers with error_response().
  virtual void fail(const ApiError& error, std::string* out) = 0;
  virtual void heartbeat(std::string* out) = 0;                                          // streaming and nothing was sent for a while
};

// A context and what it is forked into; one stream per branch.
struct ForkWork {
  Prompt context;
  std::vector<BranchRequest> branches;
  std::string adapter = {};  // as GenerateRequest::adapter
};

class ResponseStore;

// One accepted request of a dialect.
struct Exchange {
  // One per choice (n, or several prompts); flow, namespace and priority are filled by the server. None: begin and end at once.
  std::vector<GenerateRequest> requests;
  std::optional<ForkWork> fork = {};       // instead of requests
  Dialect dialect = Dialect::kOpenAi;      // of errors
  bool stream = false;
  std::string content_type = "application/json";   // "text/event-stream", "application/x-ndjson" ...
  HttpHeaders headers = {};                // more headers of the answer, e.g. a list of ignored parameters
  bool has_variant = false;                // a release has chosen the requests' adapters, which are digests then
  std::string model;                       // as asked for: one of the context's names, so what the key may use is settled before
  // What the client calls what the generator calls "prompt", "constraint" ...: see to_api_error below.
  std::vector<std::pair<std::string, std::string>> parameter_names = {};
  std::unique_ptr<ReplyEncoder> encoder;
  std::shared_ptr<ResponseStore> records = nullptr;   // what the encoder's end() puts there is durable before its bytes go out
};

// A refusal of submit() in the client's words.
ApiError to_api_error(const Error& error, const Exchange& exchange);

using ExchangeOrError = std::variant<Exchange, ApiError>;

// An answer that needs no events: lists, embeddings, counts.
using ReplyOrError = std::variant<HttpResponse, ApiError>;

// Finished answers of /v1/responses by id, so that a later request can continue one. An implementation is bound to one tenant:
// ids of others are not there. Thread-safe.
class ResponseStore {
 public:
  struct Stored {
    Json response;   // as it was answered
    Json messages;   // the conversation up to and with this answer, as a ChatPrompt has it
  };
  virtual ~ResponseStore() = default;
  virtual Result<Stored> find(const std::string& id) = 0;           // kNotFound, kUnavailable
  virtual void put(const std::string& id, Stored stored) = 0;       // does not wait: durable after commit()
  virtual void commit(std::function<void(Status)> done) = 0;        // `done` is called once, from any thread; must not wait
  virtual Status erase(const std::string& id) = 0;                  // kNotFound, kUnavailable
};

// What a dialect may know of the world when it parses. Borrowed for the call, but for `responses`, which an encoder may keep.
struct ExchangeContext {
  Generator* generator = nullptr;
  std::string request_id;
  std::string model_id;                  // of the served model, which this key may use
  std::vector<std::string> aliases = {}; // other names for it
  int64_t now_unix_s = 0;
  uint64_t random_seed = 0;              // fresh for each request: used when the client gave no seed, and reported
  std::shared_ptr<ResponseStore> responses = nullptr;   // nullptr: nothing is stored
};

}  // namespace firesteel
