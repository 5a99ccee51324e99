// A persistent pool of threads that runs one parallel loop at a time. The calling thread is thread 0 and works too.
//
// Tasks are dealt dynamically; results must not depend on which thread ran what, so a task writes only its own outputs.
// Between loops the workers spin about 20 us, then sleep. Not re-entrant: one owner, one loop at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace firesteel {

class Exec {
 public:
  // n_threads >= 1, including the caller. Threads are pinned to distinct CPUs when the process may use at least n_threads CPUs.
  explicit Exec(int n_threads);
  ~Exec();
  Exec(const Exec&) = delete;
  Exec& operator=(const Exec&) = delete;

  int n_threads() const { return n_threads_; }

  // Calls fn(task, thread) for every task in [0, n_tasks), returns when all are done. Neighbouring tasks tend to run on the same
  // thread (contiguous shares first, then stealing from a shared counter). A single task or thread runs inline.
  template <typename Fn>
  void parallel_for(int64_t n_tasks, Fn&& fn) {
    run(n_tasks, [](void* context, int64_t task, int thread) { (*static_cast<std::remove_reference_t<Fn>*>(context))(task, thread); },
        const_cast<void*>(static_cast<const void*>(&fn)));
  }

  // Scratch memory of one thread, at least n_bytes, 64-byte aligned; grows and is kept. Contents are undefined.
  std::byte* scratch(int thread, size_t n_bytes);

 private:
  using TaskFn = void (*)(void* context, int64_t task, int thread);
  void run(int64_t n_tasks, TaskFn fn, void* context);

  struct Impl;
  int n_threads_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace firesteel
