#include "api/waker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>

#include "api/fake_generator.h"

namespace firesteel {
namespace {

// The old function's captures may go as soon as set() has returned, whoever is waking at that moment.
TEST(Waker, IsNeverCalledAfterItsRemoval) {
  Waker waker;
  std::atomic<bool> stop{false};
  std::thread publisher([&] {
    while (!stop) waker.wake();
  });
  for (int i = 0; i < 2000; ++i) {
    auto alive = std::make_unique<std::atomic<int>>(0);
    waker.set([&count = *alive] { ++count; });
    while (i % 100 == 0 && *alive == 0) std::this_thread::yield();
    waker.set({});
    alive.reset();  // a later call would be seen by the sanitizers
  }
  stop = true;
  publisher.join();
}

// What the waker's owner may rely on: after a call try_next has something, and after its removal it is not called.
TEST(FakeGenerator, WakesWhenThereIsSomethingToRead) {
  FakeGenerator fake;
  fake.allow(0);
  GenerateRequest request;
  request.prompt = RawPrompt{"a b c"};
  auto stream = fake.submit(request).value();
  int n_wakes = 0;
  stream->set_waker([&] { ++n_wakes; });
  EXPECT_EQ(n_wakes, 0);
  EXPECT_FALSE(stream->try_next().has_value());
  fake.allow(2);
  EXPECT_EQ(n_wakes, 1);
  EXPECT_EQ(stream->try_next()->text, "a");
  EXPECT_EQ(stream->try_next()->text, " b");
  EXPECT_FALSE(stream->try_next().has_value());
  EXPECT_FALSE(stream->done());
  fake.break_streams({ErrorCode::kInternal, "broken"});
  EXPECT_EQ(n_wakes, 2);
  EXPECT_EQ(stream->try_next()->error.message, "broken");
  EXPECT_TRUE(stream->done());
  stream->set_waker({});
  fake.allow_all();
  EXPECT_EQ(n_wakes, 2);
  auto ready = fake.submit(request).value();
  ready->set_waker([&] { ++n_wakes; });
  EXPECT_EQ(n_wakes, 3);  // something was there already
  ready.reset();
  EXPECT_EQ(fake.n_cancelled(), 1);
}

}  // namespace
}  // namespace firesteel
