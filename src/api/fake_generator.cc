#include "api/fake_generator.h"

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

struct Word {
  std::string text;
  TokenId id = 0;
  bool thinking = false;
};

class FakeContext final : public Context {
 public:
  FakeContext(std::string text, int64_t n_tokens) : text_(std::move(text)), n_tokens_(n_tokens) {}
  int64_t n_tokens() const override { return n_tokens_; }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  int64_t n_tokens_;
};

}  // namespace

// One answer, read by its stream and held up or broken by the generator.
class FakeAnswer {
 public:
  FakeAnswer(std::vector<Word> words, std::string stop_string, StopParams stop, int n_top, Usage usage)
      : words_(std::move(words)), stop_string_(std::move(stop_string)), stop_(std::move(stop)), n_top_(n_top), usage_(usage) {}

  std::optional<GenerateEvent> take(bool waits) FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (!ready()) {
      if (!waits) return std::nullopt;
      changed_.wait(mutex_);
    }
    if (done_) return std::nullopt;
    if (n_allowed_ > 0) --n_allowed_;
    if (error_) return end(FinishReason::kError);
    if (cancelled_) return end(FinishReason::kCancelled);
    if (at_ == words_.size()) return end(FinishReason::kStop);
    if (stop_.max_tokens >= 0 && usage_.generated_tokens >= stop_.max_tokens) return end(FinishReason::kLength);
    const Word& word = words_[at_++];
    GenerateEvent event;
    event.token = word.id;
    event.text = word.text;
    event.thinking = word.thinking;
    if (n_top_ >= 0) event.logprob = -0.25f;
    for (int i = 0; i < n_top_; ++i) event.top.push_back({word.id + i, -0.25f - static_cast<float>(i)});
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
  bool ready() const FS_REQUIRES(mutex_) { return done_ || cancelled_ || error_ || n_allowed_ != 0; }
  GenerateEvent end(FinishReason reason) FS_REQUIRES(mutex_) {
    done_ = true;
    GenerateEvent event;
    event.kind = GenerateEvent::Kind::kDone;
    event.reason = reason;
    event.usage = usage_;
    if (reason == FinishReason::kStop) event.stop_string = stop_string_;
    if (reason == FinishReason::kError) event.error = *error_;
    return event;
  }

  const std::vector<Word> words_;
  const std::string stop_string_;
  const StopParams stop_;
  const int n_top_;
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

Result<std::unique_ptr<TokenStream>> FakeGenerator::answer(Question question) {
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
  std::vector<Word> words;
  bool thinking = false;
  while (!text.empty()) {
    const std::string_view marker = thinking ? "</think>" : "<think>";
    const size_t at = text.find(marker);
    const std::string part = text.substr(0, at);
    text.erase(0, at == std::string::npos ? text.size() : at + marker.size());
    MutexLock lock(mutex_);
    for (std::string& word : cut_words(part)) {
      const TokenId id = intern(word);
      words.push_back({std::move(word), id, thinking});
    }
    thinking = !thinking;
  }
  Usage usage;
  usage.prompt_tokens = static_cast<int64_t>(intern_words(question.prompt).size());
  streams_->n_prompt_tokens += static_cast<uint64_t>(usage.prompt_tokens);
  auto state = std::make_shared<FakeAnswer>(std::move(words), std::move(stop_string), question.stop, question.sampling.n_top_logprobs, usage);
  streams_->add(state);
  return std::unique_ptr<TokenStream>(std::make_unique<FakeStream>(std::move(state), streams_));
}

Result<std::unique_ptr<TokenStream>> FakeGenerator::submit(GenerateRequest request) {
  return answer({prompt_text(request.prompt), std::move(request.sampling), std::move(request.stop), std::move(request.constraint)});
}

Result<std::shared_ptr<Context>> FakeGenerator::prefill(GenerateRequest request) {
  std::string text = prompt_text(request.prompt);
  const auto n_tokens = static_cast<int64_t>(intern_words(text).size());
  return std::shared_ptr<Context>(std::make_shared<FakeContext>(std::move(text), n_tokens));
}

Result<std::vector<std::unique_ptr<TokenStream>>> FakeGenerator::fork(const std::shared_ptr<Context>& context,
                                                                      std::vector<BranchRequest> branches) {
  const auto* fake = dynamic_cast<const FakeContext*>(context.get());
  if (fake == nullptr) return Error{ErrorCode::kInvalidArgument, "context: it is not of this generator"};
  std::vector<std::unique_ptr<TokenStream>> streams;
  for (BranchRequest& branch : branches) {
    FS_TRY(auto stream, answer({fake->text() + prompt_text(branch.suffix), std::move(branch.sampling), std::move(branch.stop),
                                std::move(branch.constraint)}));
    streams.push_back(std::move(stream));
  }
  return streams;
}

Result<int64_t> FakeGenerator::count_tokens(const Prompt& prompt) { return static_cast<int64_t>(intern_words(prompt_text(prompt)).size()); }

Result<std::vector<TokenId>> FakeGenerator::tokenize(const Prompt& prompt) { return intern_words(prompt_text(prompt)); }

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
    sum += double{value} * double{value};
  }
  for (float& value : out) value = static_cast<float>(double{value} / std::sqrt(sum));
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

void FakeGenerator::allow(int64_t n) { streams_->allow(n); }
void FakeGenerator::allow_all() { streams_->allow(-1); }
void FakeGenerator::break_streams(Error error) {
  streams_->for_each([&](FakeAnswer& answer) { answer.break_with(error); });
}

}  // namespace firesteel
