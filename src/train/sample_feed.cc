#include "train/sample_feed.h"

#include <utility>

#include "base/rng.h"

namespace firesteel {
namespace {

constexpr uint64_t kAhead = 48;  // runs

}  // namespace

SampleFeed::SampleFeed(const SampleSource& source, const SampleEncoder& encoder, const PatchParams* patches, const FeedOptions& options)
    : source_(source), encoder_(encoder), patches_(patches), options_(options), next_run_(options.first / kRun), read_run_(options.first / kRun),
      index_(options.first) {
  for (int i = 0; i < options.n_threads; ++i) threads_.emplace_back([this] { work(); });
}

SampleFeed::~SampleFeed() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

SampleFeed::Item SampleFeed::make(uint64_t index) const {
  Item item;
  const Result<Sample> sample = source_.sample(index);
  if (!sample.ok()) {
    item.error = sample.error();
    item.from_source = true;
    return item;
  }
  const bool bind = uniform_at(options_.seed, 0, index) >= options_.digits_share;
  Result<EncodedSample> encoded = encoder_.encode(*sample, bind, patches_);
  if (encoded.ok()) {
    item.sample = std::move(*encoded);
  } else {
    item.error = Error{encoded.error().code, sample->kind + " (sample " + std::to_string(index) + "): " + encoded.error().message};
  }
  return item;
}

void SampleFeed::work() {
  while (true) {
    uint64_t run = 0;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && next_run_ >= read_run_ + kAhead) changed_.wait(mutex_);
      if (stopping_) return;
      run = next_run_++;
    }
    std::vector<Item> items;
    for (uint64_t i = 0; i < kRun; ++i) items.push_back(make(run * kRun + i));
    {
      MutexLock lock(mutex_);
      runs_.emplace(run, std::move(items));
    }
    changed_.notify_all();
  }
}

Result<EncodedSample> SampleFeed::next(uint64_t* index) {
  while (true) {
    if (current_.empty() || index_ % kRun == 0) {
      MutexLock lock(mutex_);
      read_run_ = index_ / kRun;
      changed_.notify_all();
      while (!runs_.contains(read_run_)) changed_.wait(mutex_);
      current_ = std::move(runs_.at(read_run_));
      runs_.erase(read_run_);
    }
    Item item = std::move(current_[index_ % kRun]);
    *index = ++index_;
    ++n_read_;
    if (!item.error) {
      if (static_cast<int64_t>(item.sample.ids.size()) - 1 <= options_.n_tokens_max) return std::move(item.sample);
      ++n_too_long_;
    } else {
      if (item.from_source) return *std::move(item.error);
      if (n_refused_++ == 0) first_refusal_ = item.error->message;
    }
    if (n_refused_ + n_too_long_ > 100 && (n_refused_ + n_too_long_) * 10 > n_read_) {
      return Error{ErrorCode::kDataLoss, "more than a tenth of the samples cannot be used: " + std::to_string(n_too_long_) + " longer than " +
                                             std::to_string(options_.n_tokens_max) + " tokens, " + std::to_string(n_refused_) +
                                             " refused" + (n_refused_ > 0 ? ", the first: " + first_refusal_ : std::string())};
    }
  }
}

}  // namespace firesteel
