// What every database's store shares: the writer's thread with its bounded queue and group commit, the pool of readers, the state of
// health. A database brings connections.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/queue.h"
#include "base/result.h"
#include "store/store.h"

namespace firesteel {

// Used by one thread at a time.
class StoreConnection : public Transaction {
 public:
  virtual Status begin_write() = 0;
  virtual Status begin_read() = 0;
  virtual Status commit() = 0;
  virtual void rollback() = 0;                  // also after the database has rolled back by itself
  virtual bool in_transaction() const = 0;      // false: the database has rolled everything back after an error
  virtual int64_t n_changes() const = 0;        // rows, of all time
  virtual bool is_broken() const = 0;           // to be replaced by a new connection
  virtual Status run_script(const char* text) = 0;  // several statements, no parameters
};

class BatchStore : public Store {
 public:
  struct Limits {
    size_t queue_capacity = 4096;
    size_t batch_max = 256;
    size_t n_readers = 4;
  };

  void submit(Write work, std::function<void(Status)> done) override;
  Status read(const Read& work) override;
  bool writable() override;

 protected:
  BatchStore(Limits limits, const Clock& clock) : clock_(clock), limits_(limits), queue_(limits.queue_capacity) {}
  ~BatchStore() override;

  // On the writer's thread.
  virtual Result<std::unique_ptr<StoreConnection>> open_writer() = 0;
  virtual Status enter() { return {}; }   // before a commit, for what keeps writers of other processes out
  virtual void leave() {}
  // On any thread.
  virtual Result<std::unique_ptr<StoreConnection>> open_reader() = 0;

  void start(std::unique_ptr<StoreConnection> writer);
  // Works off what is queued and ends the thread; to be called first by the derived class's destructor. Returns the writer, if any.
  std::unique_ptr<StoreConnection> stop();

  Result<std::unique_ptr<StoreConnection>> take_reader() FS_EXCLUDES(readers_mutex_);
  void give_back(std::unique_ptr<StoreConnection> connection) FS_EXCLUDES(readers_mutex_);

  const Clock& clock_;

 private:
  struct Job {
    Write work;
    std::function<void(Status)> done;
  };
  void run();
  void run_batch(std::vector<Job>& batch);
  Status commit_batch(std::vector<Job>& batch, std::vector<Status>& statuses);
  Status commit_entered(std::vector<Job>& batch, std::vector<Status>& statuses);

  const Limits limits_;
  std::unique_ptr<StoreConnection> writer_;   // the thread's, after start(); null after an error until the next batch
  BoundedQueue<Job> queue_;
  std::atomic<bool> healthy_{true};
  std::atomic<int64_t> last_probe_us_{INT64_MIN / 2};
  Mutex readers_mutex_;
  std::vector<std::unique_ptr<StoreConnection>> readers_ FS_GUARDED_BY(readers_mutex_);
  std::thread thread_;
};

}  // namespace firesteel
