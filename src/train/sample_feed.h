// Encoded samples of a stream, in order, made ahead of time by a pool of threads.
//
// Sample i of the feed depends on i only. Threads take runs of 32 indices, at most `ahead` runs before the reader; next() waits for
// the run it needs.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "train/sample_encoder.h"

namespace firesteel {

struct FeedOptions {
  uint64_t first = 0;            // index to begin at
  int n_threads = 1;
  uint64_t seed = 0;             // decides which samples have no markers
  double digits_share = 1.0 / 6; // share of samples without number markers
  int64_t n_tokens_max = 1024;   // a longer sample is passed over
};

class SampleFeed {
 public:
  // All referred to outlive the feed.
  SampleFeed(const SampleSource& source, const SampleEncoder& encoder, const PatchParams* patches, const FeedOptions& options);
  ~SampleFeed();
  SampleFeed(const SampleFeed&) = delete;
  SampleFeed& operator=(const SampleFeed&) = delete;

  // The next sample, and in *index the index after it: where a feed has to begin to go on from here. Samples that cannot be
  // encoded or are too long are passed over and counted; kDataLoss when the source fails, and when too many are passed over.
  Result<EncodedSample> next(uint64_t* index) FS_EXCLUDES(mutex_);

  uint64_t n_too_long() const { return n_too_long_; }
  uint64_t n_refused() const { return n_refused_; }
  const std::string& first_refusal() const { return first_refusal_; }

 private:
  static constexpr uint64_t kRun = 32;
  struct Item {
    EncodedSample sample;
    std::optional<Error> error;
    bool from_source = false;  // the error is the source's
  };
  void work() FS_EXCLUDES(mutex_);
  Item make(uint64_t index) const;

  const SampleSource& source_;
  const SampleEncoder& encoder_;
  const PatchParams* patches_;
  FeedOptions options_;
  Mutex mutex_;
  CondVar changed_;
  std::map<uint64_t, std::vector<Item>> runs_ FS_GUARDED_BY(mutex_);
  uint64_t next_run_ FS_GUARDED_BY(mutex_) = 0;
  uint64_t read_run_ FS_GUARDED_BY(mutex_) = 0;
  bool stopping_ FS_GUARDED_BY(mutex_) = false;
  // The reader's own:
  std::vector<Item> current_;
  uint64_t index_ = 0;
  uint64_t n_read_ = 0, n_too_long_ = 0, n_refused_ = 0;
  std::string first_refusal_;
  std::vector<std::thread> threads_;
};

}  // namespace firesteel
