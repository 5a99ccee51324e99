#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "line_editor.h"

namespace firesteel {
namespace {

sigset_t interrupt_set() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  return set;
}

}  // namespace

InterruptWatcher::InterruptWatcher() {
  const sigset_t set = interrupt_set();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this] { watch(); });
}

InterruptWatcher::~InterruptWatcher() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  pthread_kill(thread_.native_handle(), SIGINT);
  thread_.join();
}

void InterruptWatcher::arm(TokenStream* stream) {
  MutexLock lock(mutex_);
  stream_ = stream;
}

void InterruptWatcher::disarm() {
  MutexLock lock(mutex_);
  stream_ = nullptr;
}

void InterruptWatcher::watch() {
  const sigset_t set = interrupt_set();
  for (;;) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    MutexLock lock(mutex_);
    if (stopping_) return;
    if (stream_ != nullptr) {
      stream_->cancel();
      continue;
    }
    LineEditor::restore_terminal();
    _exit(130);  // 128 + SIGINT, what a shell expects
  }
}

}  // namespace firesteel
