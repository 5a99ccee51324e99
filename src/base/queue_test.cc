#include "base/queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <thread>
#include <vector>

namespace firesteel {
namespace {

TEST(BoundedQueue, RefusesWhenFullAndKeepsOrder) {
  BoundedQueue<int> queue(2);
  EXPECT_TRUE(queue.try_push(1));
  EXPECT_TRUE(queue.try_push(2));
  EXPECT_FALSE(queue.try_push(3));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_TRUE(queue.try_push(3));
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.pop(), 3);
  EXPECT_EQ(queue.try_pop(), std::nullopt);
}

TEST(BoundedQueue, CloseDrainsThenEnds) {
  BoundedQueue<int> queue(4);
  ASSERT_TRUE(queue.try_push(7));
  queue.close();
  EXPECT_FALSE(queue.try_push(8));
  EXPECT_EQ(queue.pop(), 7);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, EveryItemArrivesOnceBetweenThreads) {
  constexpr int kItems = 2000;
  BoundedQueue<int> queue(8);
  std::vector<std::thread> producers;
  for (int p = 0; p < 2; ++p) {
    producers.emplace_back([&queue, p] {
      for (int i = 0; i < kItems; ++i) {
        while (!queue.try_push(p * kItems + i)) std::this_thread::yield();
      }
    });
  }
  std::vector<int> seen(2 * kItems, 0);
  for (int i = 0; i < 2 * kItems; ++i) ++seen[static_cast<size_t>(queue.pop().value())];
  for (std::thread& t : producers) t.join();
  EXPECT_EQ(std::accumulate(seen.begin(), seen.end(), 0), 2 * kItems);
  EXPECT_EQ(*std::max_element(seen.begin(), seen.end()), 1);
}

}  // namespace
}  // namespace firesteel
