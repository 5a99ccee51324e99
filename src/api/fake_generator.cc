#include "api/fake_generator.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string_view>
#include <utility>

#include "api/waker.h"

namespace firesteel {
namespace {

// Words with the space before them, as tokenizers cut.
std::vector<std::string> cut_words(const std::string& text) {
  std::vector<std::string> words;
  for (size_t i = 0; i < text.size(); ++i) {
    if (words.empty() || (text[i] == ' ' && text[i - 1] != ' ')) words.emplace_back();
    words.back() += text[i];
  }
  return words;
}

class FakeContext final : public Context {
 public:
  FakeContext(std::string text, int64_t n_tokens, int depth) : text_(std::move(text)), n_tokens_(n_tokens), depth_(depth) {}
  int64_t n_tokens() const override { return n_tokens_; }
  int depth() const override { return depth_; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  int64_t n_tokens_;
  int depth_;
};

}  // namespace

struct FakeWord {
  std::string text;
  TokenId id = 0;
  bool thinking = false;
  float logprob = -0.25f;
};

// What ends an answer from outside, and what its prompt was.
struct FakeSurroundings {
  std::string prompt;
  std::shared_ptr<RequestGroup> group;
  int64_t deadline_us = 0;
  int depth = 0;
  VirtualClock* clock = nullptr;
  int64_t us_per_token = 0;
  bool splits_rest = false;  // of the probability, among the alternatives
};

// One answer, read by its stream and held up or broken by the generator.
class FakeAnswer {
 public:
  FakeAnswer(std::vector<FakeWord> words, std::string stop_string, StopParams stop, int n_top, Usage usage, FakeSurroundings around)
      : words_(std::move(words)), stop_string_(std::move(stop_string)), stop_(std::move(stop)), n_top_(n_top), around_(std::move(around)), usage_(usage) {}

  std::optional<GenerateEvent> take(bool waits) FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (!ready()) {
      if (!waits) return std::nullopt;
      changed_.wait(mutex_);
    }
    if (done_) return std::nullopt;
    if (n_allowed_ > 0) --n_allowed_;
    if (error_) return end(FinishReason::kError);
    if (cancelled()) return end(FinishReason::kCancelled);
    if (around_.clock != nullptr && around_.deadline_us != 0 && around_.clock->now_us() >= around_.deadline_us) return end(FinishReason::kDeadline);
    if (at_ == words_.size()) return end(FinishReason::kStop);
    if (stop_.max_tokens >= 0 && usage_.generated_tokens >= stop_.max_tokens) return end(FinishReason::kLength);
    if (around_.group != nullptr && !around_.group->take_token()) return end(FinishReason::kLength);
    if (around_.clock != nullptr) around_.clock->advance_us(around_.us_per_token);
    const FakeWord& word = words_[at_++];
    GenerateEvent event;
    event.token = word.id;
    event.text = word.text;
    event.thinking = word.thinking;
    if (n_top_ >= 0) event.logprob = word.logprob;
    const float rest = std::log(std::max(1e-9f, -std::expm1(word.logprob)) / static_cast<float>(std::max(1, n_top_ - 1)));
    for (int i = 0; i < n_top_; ++i) {
      const float other = around_.splits_rest ? rest : word.logprob - static_cast<float>(i);
      event.top.push_back({word.id + i, i == 0 ? word.logprob : other});
    }
    ++usage_.generated_tokens;
    return event;
  }
  bool done() const FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return done_;
  }
  void set_waker(std::function<void()> waker) FS_EXCLUDES(mutex_) {
    waker_.set(std::move(waker));
    bool is_ready = false;
    {
      MutexLock lock(mutex_);
      is_ready = ready() && !done_;
    }
    if (is_ready) waker_.wake();
  }
  void cancel() FS_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      cancelled_ = true;
    }
    announce();
  }
  void allow(int64_t n) FS_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      n_allowed_ = n;
    }
    announce();
  }
  void poke() FS_EXCLUDES(mutex_) {
    { MutexLock lock(mutex_); }  // whoever found nothing waits by now
    announce();
  }
  int depth() const { return around_.depth; }
  // The prompt and the first n words of those that were read; nullopt when there are fewer.
  std::optional<std::string> text_so_far(int64_t n) const FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (n > static_cast<int64_t>(at_)) return std::nullopt;
    std::string text = around_.prompt;
    for (size_t i = 0; i < (n < 0 ? at_ : static_cast<size_t>(n)); ++i) text += words_[i].text;
    return text;
  }
  void break_with(const Error& error) FS_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      error_ = error;
    }
    announce();
  }

 private:
  void announce() {
    changed_.notify_all();
    waker_.wake();
  }
  bool cancelled() const FS_REQUIRES(mutex_) { return cancelled_ || (around_.group != nullptr && around_.group->cancelled()); }
  bool ready() const FS_REQUIRES(mutex_) { return done_ || cancelled() || error_ || n_allowed_ != 0; }
  GenerateEvent end(FinishReason reason) FS_REQUIRES(mutex_) {
    done_ = true;
    if (reason == FinishReason::kStop && around_.group != nullptr) around_.group->note_stop();
    usage_.total_us = usage_.generated_tokens * around_.us_per_token;
    GenerateEvent event;
    event.kind = GenerateEvent::Kind::kDone;
    event.reason = reason;
    event.usage = usage_;
    if (reason == FinishReason::kStop) event.stop_string = stop_string_;
    if (reason == FinishReason::kError) event.error = *error_;
    return event;
  }

  const std::vector<FakeWord> words_;
  const std::string stop_string_;
  const StopParams stop_;
  const int n_top_;
  const FakeSurroundings around_;
  mutable Mutex mutex_;
  CondVar changed_;
  Waker waker_;
  Usage usage_ FS_GUARDED_BY(mutex_);
  size_t at_ FS_GUARDED_BY(mutex_) = 0;
  int64_t n_allowed_ FS_GUARDED_BY(mutex_) = -1;  // -1: no limit
  bool done_ FS_GUARDED_BY(mutex_) = false;
  bool cancelled_ FS_GUARDED_BY(mutex_) = false;
  std::optional<Error> error_ FS_GUARDED_BY(mutex_);
};

// All open answers of a generator. Streams may outlive it.
class FakeStreams {
 public:
  void add(const std::shared_ptr<FakeAnswer>& answer) FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    std::erase_if(answers_, [](const auto& weak) { return weak.expired(); });
    answers_.push_back(answer);
    if (n_allowed_ >= 0) answer->allow(n_allowed_);
  }
  template <typename Do>
  void for_each(Do&& action) FS_EXCLUDES(mutex_) {
    std::vector<std::weak_ptr<FakeAnswer>> answers;
    {
      MutexLock lock(mutex_);
      answers = answers_;
    }
    for (const auto& weak : answers) {
      if (const auto answer = weak.lock()) action(*answer);
    }
  }
  void allow(int64_t n) FS_EXCLUDES(mutex_) {
    {
      MutexLock lock(mutex_);
      n_allowed_ = n;
    }
    for_each([n](FakeAnswer& answer) { answer.allow(n); });
  }

  std::atomic<int64_t> n_open{0};
  std::atomic<int64_t> n_cancelled{0};
  std::atomic<uint64_t> n_prompt_tokens{0};
  std::atomic<uint64_t> n_generated_tokens{0};

 private:
  Mutex mutex_;
  std::vector<std::weak_ptr<FakeAnswer>> answers_ FS_GUARDED_BY(mutex_);
  int64_t n_allowed_ FS_GUARDED_BY(mutex_) = -1;
};

namespace {

class FakeStream final : public TokenStream {
 public:
  FakeStream(std::shared_ptr<FakeAnswer> answer, std::shared_ptr<FakeStreams> streams)
      : answer_(std::move(answer)), streams_(std::move(streams)) {
    ++streams_->n_open;
  }
  ~FakeStream() override {
    answer_->set_waker({});
    if (answer_->done()) return;
    --streams_->n_open;
    ++streams_->n_cancelled;
  }
  std::optional<GenerateEvent> next() override { return count(answer_->take(/*waits=*/true)); }
  std::optional<GenerateEvent> try_next() override { return count(answer_->take(/*waits=*/false)); }
  bool done() const override { return answer_->done(); }
  void set_waker(std::function<void()> waker) override { answer_->set_waker(std::move(waker)); }
  void cancel() override { answer_->cancel(); }
  const FakeAnswer& answer() const { return *answer_; }
  const FakeStreams* streams() const { return streams_.get(); }

 private:
  std::optional<GenerateEvent> count(std::optional<GenerateEvent> event) {
    if (event && event->kind == GenerateEvent::Kind::kToken) ++streams_->n_generated_tokens;
    if (event && event->kind == GenerateEvent::Kind::kDone) {
      --streams_->n_open;
      if (event->reason == FinishReason::kCancelled) ++streams_->n_cancelled;
    }
    return event;
  }
  std::shared_ptr<FakeAnswer> answer_;
  std::shared_ptr<FakeStreams> streams_;
};

}  // namespace

FakeGenerator::FakeGenerator(AnswerFn answer) : answer_(std::move(answer)), streams_(std::make_shared<FakeStreams>()) {
  if (!answer_) answer_ = [](const Question& question) -> Result<std::string> { return question.prompt; };
  info_.name = "fake";
  info_.architecture = "fake";
  info_.quantisation = "F32";
  info_.digest = "0123456789abcdef0123456789abcdef";
  info_.context_length = 4096;
  info_.n_parameters = 1000;
  info_.n_vocab = 1 << 20;
  info_.embedding_dim = 8;
  info_.file_bytes = 4000;
  info_.has_chat_template = true;
  info_.can_think = true;
  info_.chat_template = "{{ messages }}";
  info_.created_unix_s = 1'700'000'000;
}

FakeGenerator::~FakeGenerator() {
  streams_->for_each([](FakeAnswer& answer) { answer.cancel(); });
}

TokenId FakeGenerator::intern(const std::string& word) {
  const auto [it, is_new] = ids_.try_emplace(word, static_cast<TokenId>(words_.size()));
  if (is_new) words_.push_back(word);
  return it->second;
}

std::vector<TokenId> FakeGenerator::intern_words(const std::string& text) {
  MutexLock lock(mutex_);
  std::vector<TokenId> ids;
  for (const std::string& word : cut_words(text)) ids.push_back(intern(word));
  return ids;
}

std::string FakeGenerator::prompt_text(const Prompt& prompt) const {
  if (const auto* raw = std::get_if<RawPrompt>(&prompt)) return raw->text;
  if (const auto* chat = std::get_if<ChatPrompt>(&prompt)) return chat->messages.dump();
  std::string text;
  for (const TokenId id : std::get<TokenPrompt>(prompt).ids) {
    const std::string word = token_text(id);
    text += word.empty() ? (text.empty() ? "" : " ") + std::to_string(id) : word;
  }
  return text;
}

Result<std::unique_ptr<TokenStream>> FakeGenerator::answer(Question question, std::shared_ptr<RequestGroup> group, int64_t deadline_us, int depth) {
  if (group != nullptr) {
    if (deadline_us == 0 || (group->deadline_us() != 0 && group->deadline_us() < deadline_us)) deadline_us = group->deadline_us();
    group->watch(streams_.get(), [weak = std::weak_ptr<FakeStreams>(streams_)] {
      if (const auto streams = weak.lock()) streams->for_each([](FakeAnswer& answer) { answer.poke(); });
    });
  }
  {
    MutexLock lock(mutex_);
    questions_.push_back(question);
  }
  FS_TRY(std::string text, answer_(question));
  // The earliest stop string ends the answer.
  std::string stop_string;
  size_t end = text.size();
  for (const std::string& stop : question.stop.strings) {
    const size_t at = text.find(stop);
    if (at >= end) continue;
    end = at;
    stop_string = stop;
  }
  text.resize(end);
  std::vector<FakeWord> words;
  bool thinking = false;
  while (!text.empty()) {
    const std::string_view marker = thinking ? "</think>" : "<think>";
    const size_t at = text.find(marker);
    const std::string part = text.substr(0, at);
    text.erase(0, at == std::string::npos ? text.size() : at + marker.size());
    MutexLock lock(mutex_);
    for (std::string& word : cut_words(part)) {
      const TokenId id = intern(word);
      const float logprob = logprobs_ ? logprobs_(question, word) : -0.25f;
      words.push_back({std::move(word), id, thinking, logprob});
    }
    thinking = !thinking;
  }
  Usage usage;
  usage.prompt_tokens = static_cast<int64_t>(intern_words(question.prompt).size());
  streams_->n_prompt_tokens += static_cast<uint64_t>(usage.prompt_tokens);
  auto state = std::make_shared<FakeAnswer>(std::move(words), std::move(stop_string), question.stop, question.sampling.n_top_logprobs, usage,
                                            FakeSurroundings{question.prompt, std::move(group), deadline_us, depth, clock_, us_per_token_, logprobs_ != nullptr});
  streams_->add(state);
  return std::unique_ptr<TokenStream>(std::make_unique<FakeStream>(std::move(state), streams_));
}

Result<std::unique_ptr<TokenStream>> FakeGenerator::submit(GenerateRequest request) {
  return answer({prompt_text(request.prompt), std::move(request.sampling), std::move(request.stop), std::move(request.constraint), std::move(request.images), std::move(request.adapter)},
                std::move(request.group), request.deadline_us, /*depth=*/0);
}

Result<AdapterInfo> FakeGenerator::load_adapter(const std::string& path) {
  if (path.ends_with("bad")) return Error{ErrorCode::kDataLoss, path + ": damaged"};
  AdapterInfo info;
  info.digest = "digest-of-" + path.substr(path.rfind('/') + 1);
  info.rank = 8;
  MutexLock lock(mutex_);
  adapters_.emplace(info.digest, info);
  return info;
}

Status FakeGenerator::unload_adapter(const std::string& digest) {
  MutexLock lock(mutex_);
  if (adapters_.erase(digest) == 0) return Error{ErrorCode::kNotFound, "adapter " + digest + ": not loaded"};
  return {};
}

std::vector<AdapterInfo> FakeGenerator::adapters() const {
  std::vector<AdapterInfo> all;
  MutexLock lock(mutex_);
  for (const auto& [digest, info] : adapters_) all.push_back(info);
  return all;
}

Result<std::shared_ptr<Context>> FakeGenerator::prefill(GenerateRequest request) {
  std::string text = prompt_text(request.prompt);
  const auto n_tokens = static_cast<int64_t>(intern_words(text).size());
  return std::shared_ptr<Context>(std::make_shared<FakeContext>(std::move(text), n_tokens, /*depth=*/0));
}

Result<std::shared_ptr<Context>> FakeGenerator::context_of(const TokenStream& stream, int64_t n_generated) {
  const auto* fake = dynamic_cast<const FakeStream*>(&stream);
  if (fake == nullptr || fake->streams() != streams_.get()) return Error{ErrorCode::kInvalidArgument, "stream: it is not of this generator"};
  std::optional<std::string> text = fake->answer().text_so_far(n_generated);
  if (!text) return Error{ErrorCode::kInvalidArgument, "stream: " + std::to_string(n_generated) + " tokens of the answer wanted, there are fewer"};
  const auto n_tokens = static_cast<int64_t>(intern_words(*text).size());
  return std::shared_ptr<Context>(std::make_shared<FakeContext>(std::move(*text), n_tokens, fake->answer().depth()));
}

Result<std::vector<std::unique_ptr<TokenStream>>> FakeGenerator::fork(const std::shared_ptr<Context>& context,
                                                                      std::vector<BranchRequest> branches) {
  const auto* fake = dynamic_cast<const FakeContext*>(context.get());
  if (fake == nullptr) return Error{ErrorCode::kInvalidArgument, "context: it is not of this generator"};
  if (fake->depth() + 1 > kForkDepthMax) return Error{ErrorCode::kInvalidArgument, "branch 0: too many forks inside each other"};
  std::vector<std::unique_ptr<TokenStream>> streams;
  for (BranchRequest& branch : branches) {
    FS_TRY(auto stream, answer({fake->text() + prompt_text(branch.suffix), std::move(branch.sampling), std::move(branch.stop), std::move(branch.constraint)},
                               std::move(branch.group), branch.deadline_us, fake->depth() + 1));
    streams.push_back(std::move(stream));
  }
  return streams;
}

Result<int64_t> FakeGenerator::count_tokens(const Prompt& prompt, std::span<const ImagePtr>) { return static_cast<int64_t>(intern_words(prompt_text(prompt)).size()); }

Result<std::vector<TokenId>> FakeGenerator::tokenize(const Prompt& prompt, std::span<const ImagePtr>) { return intern_words(prompt_text(prompt)); }

Result<std::string> FakeGenerator::detokenize(std::span<const TokenId> ids) {
  std::string text;
  for (const TokenId id : ids) {
    if (id < 0 || id >= info().n_vocab) return Error{ErrorCode::kInvalidArgument, "token id: out of range: " + std::to_string(id)};
    text += token_text(id);
  }
  return text;
}

std::string FakeGenerator::token_text(TokenId id) const {
  MutexLock lock(mutex_);
  return id >= 0 && static_cast<size_t>(id) < words_.size() ? words_[static_cast<size_t>(id)] : std::string();
}

ModelInfo FakeGenerator::info() const {
  MutexLock lock(mutex_);
  return info_;
}

GeneratorStats FakeGenerator::stats() const {
  GeneratorStats stats;
  stats.n_running = streams_->n_open;
  stats.prompt_tokens = streams_->n_prompt_tokens;
  stats.generated_tokens = streams_->n_generated_tokens;
  stats.n_requests = questions().size();
  return stats;
}

Result<std::vector<float>> FakeGenerator::embed(const Prompt& prompt) {
  std::vector<float> out(static_cast<size_t>(info().embedding_dim));
  uint64_t hash = 1469598103934665603u;
  for (const char c : prompt_text(prompt)) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  double sum = 0;
  for (float& value : out) {
    hash = hash * 6364136223846793005u + 1442695040888963407u;
    value = static_cast<float>(hash >> 40) * 0x1p-23f - 1;
    sum += static_cast<double>(value) * static_cast<double>(value);
  }
  for (float& value : out) value = static_cast<float>(static_cast<double>(value) / std::sqrt(sum));
  return out;
}

std::vector<FakeGenerator::Question> FakeGenerator::questions() const {
  MutexLock lock(mutex_);
  return questions_;
}

int64_t FakeGenerator::n_cancelled() const { return streams_->n_cancelled; }

void FakeGenerator::set_info(ModelInfo info) {
  MutexLock lock(mutex_);
  info_ = std::move(info);
}

void FakeGenerator::set_clock(VirtualClock* clock, int64_t us_per_token) {
  clock_ = clock;
  us_per_token_ = us_per_token;
}

void FakeGenerator::set_logprobs(LogprobFn logprobs) { logprobs_ = std::move(logprobs); }

void FakeGenerator::allow(int64_t n) { streams_->allow(n); }
void FakeGenerator::allow_all() { streams_->allow(-1); }
void FakeGenerator::break_streams(Error error) {
  streams_->for_each([&](FakeAnswer& answer) { answer.break_with(error); });
}

}  // namespace firesteel
