// A Generator without a model, for the tests of those who use one: answers come from a function, one event per word.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/generator.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace firesteel {

class FakeStreams;

class FakeGenerator final : public Generator {
 public:
  // What is asked: the whole prompt as text (messages as JSON, ids as their words), after a fork with the context's before it.
  struct Question {
    std::string prompt;
    SamplingParams sampling;
    StopParams stop;
    std::optional<Constraint> constraint = {};
    std::vector<ImagePtr> images = {};
    std::string adapter = {};
  };
  // Gives the answer's text, or an error that submit() returns. Words between "<think>" and "</think>" are marked as thinking.
  using AnswerFn = std::function<Result<std::string>(const Question&)>;

  // The default answer echoes the prompt.
  explicit FakeGenerator(AnswerFn answer = {});
  ~FakeGenerator() override;

  Result<std::unique_ptr<TokenStream>> submit(GenerateRequest request) override;
  Result<std::shared_ptr<Context>> prefill(GenerateRequest request) override;
  Result<std::vector<std::unique_ptr<TokenStream>>> fork(const std::shared_ptr<Context>& context,
                                                         std::vector<BranchRequest> branches) override;
  Result<std::shared_ptr<Context>> context_of(const TokenStream& stream, int64_t n_generated = -1) override;
  // Tokens are words with the space before them.
  Result<int64_t> count_tokens(const Prompt& prompt, std::span<const ImagePtr> images = {}) override;
  Result<std::vector<TokenId>> tokenize(const Prompt& prompt, std::span<const ImagePtr> images = {}) override;
  Result<std::string> detokenize(std::span<const TokenId> ids) override;
  std::string token_text(TokenId id) const override;
  ModelInfo info() const override;
  GeneratorStats stats() const override;
  Result<std::vector<float>> embed(const Prompt& prompt) override;  // of length 1, a function of the text

  // Reads nothing: any path is an adapter whose digest is a function of the path, except for those that end in "bad" (kDataLoss).
  Result<AdapterInfo> load_adapter(const std::string& path) override FS_EXCLUDES(mutex_);
  Status unload_adapter(const std::string& digest) override FS_EXCLUDES(mutex_);
  std::vector<AdapterInfo> adapters() const override FS_EXCLUDES(mutex_);

  // Everything that was asked so far, in order.
  std::vector<Question> questions() const FS_EXCLUDES(mutex_);
  // Requests that ended with a cancel (a dropped stream is one).
  int64_t n_cancelled() const;
  void set_info(ModelInfo info) FS_EXCLUDES(mutex_);

  // From now on open and new streams give n more events each (the last one included), then nothing until the next call; without a
  // call there is no limit. Wakers are called. For tests of what happens between two tokens.
  void allow(int64_t n);
  void allow_all();
  // Deadlines of requests count on this clock, and every token that is read takes this long on it. Set it before the first request.
  void set_clock(VirtualClock* clock, int64_t us_per_token);
  // The logprob of a word of an answer; what is left of the probability goes to the alternatives in equal shares. Without it: -0.25.
  using LogprobFn = std::function<float(const Question&, std::string_view word)>;
  void set_logprobs(LogprobFn logprobs);
  // Every open stream ends with this error.
  void break_streams(Error error);

 private:
  std::string prompt_text(const Prompt& prompt) const;
  TokenId intern(const std::string& word) FS_REQUIRES(mutex_);
  std::vector<TokenId> intern_words(const std::string& text) FS_EXCLUDES(mutex_);
  Result<std::unique_ptr<TokenStream>> answer(Question question, std::shared_ptr<RequestGroup> group, int64_t deadline_us, int depth)
      FS_EXCLUDES(mutex_);

  AnswerFn answer_;
  LogprobFn logprobs_;
  VirtualClock* clock_ = nullptr;
  int64_t us_per_token_ = 0;
  std::shared_ptr<FakeStreams> streams_;
  mutable Mutex mutex_;
  std::vector<Question> questions_ FS_GUARDED_BY(mutex_);
  std::vector<std::string> words_ FS_GUARDED_BY(mutex_);
  std::map<std::string, TokenId> ids_ FS_GUARDED_BY(mutex_);
  ModelInfo info_ FS_GUARDED_BY(mutex_);
  std::map<std::string, AdapterInfo> adapters_ FS_GUARDED_BY(mutex_);
};

}  // namespace firesteel
