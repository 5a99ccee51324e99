// Checks of label queues that every database must pass.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "labels/label_queue.h"

namespace firesteel {

inline LabelTask some_task(int number) {
  LabelTask task;
  task.payload = Json::Object{{"prompt", "question " + std::to_string(number)}, {"answers", Json::Array{"first " + std::to_string(number), "second"}}, {"why", "test"}};
  return task;
}

inline LabelQueue some_queue(LabelQueues& queues, const char* name, int64_t double_percent) {
  LabelQueue queue;
  queue.tenant = TenantId::fresh();
  queue.name = name;
  queue.double_percent = double_percent;
  queue.lease_s = 100;
  queue.rubric = Json::Array{Json::Object{{"name", "Correct"}, {"help", "holds when checked"}}};
  queue.tags = Json::Array{"units"};
  const auto made = queues.put_queue(queue, 1);
  EXPECT_TRUE(made.ok());
  return queue;
}

inline Json choice(int value) { return Json::Object{{"choice", value}}; }

inline void leases_are_exclusive_and_order_is_by_disagreement(Store& store) {
  LabelQueues queues(store);
  const LabelQueue queue = some_queue(queues, "first", 0);
  std::vector<LabelTask> tasks;
  for (int i = 0; i < 3; ++i) {
    tasks.push_back(some_task(i));
    tasks.back().disagreement = 0.25 * i;
  }
  ASSERT_EQ(*queues.add_tasks(queue.tenant, "first", tasks, 1), 3);
  const auto ann = queues.next(queue.tenant, "first", "ann", 10);
  const auto bob = queues.next(queue.tenant, "first", "bob", 10);
  ASSERT_TRUE(ann.ok() && *ann && bob.ok() && *bob);
  EXPECT_NEAR((*ann)->task.disagreement, 0.5, 1e-6);
  EXPECT_NEAR((*bob)->task.disagreement, 0.25, 1e-6);
  EXPECT_EQ((*queues.next(queue.tenant, "first", "ann", 20))->task.id, (*ann)->task.id);  // what one holds comes again
  const int64_t later = 10 + 101 * INT64_C(1'000'000);
  const auto carl = queues.next(queue.tenant, "first", "carl", later);  // Ann's lease is over
  ASSERT_TRUE(carl.ok() && *carl);
  EXPECT_EQ((*carl)->task.id, (*ann)->task.id);
  EXPECT_EQ(queues.submit(queue.tenant, (*ann)->task.id, "ann", choice(1), later).error().code, ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(queues.submit(queue.tenant, (*bob)->task.id, "bob", choice(1), later).ok());  // nobody took that place: the work counts
  EXPECT_EQ(queues.submit(TenantId::fresh(), (*carl)->task.id, "carl", choice(1), later).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(queues.next(TenantId::fresh(), "first", "ann", later).error().code, ErrorCode::kNotFound);
  for (const char* const wrong : {"{}", "{\"choice\":6}", "{\"choice\":1.5}", "{\"tea\":1}", "{\"tags\":[\"x\"],\"choice\":1}", "{\"scores\":{\"A\":{\"Correct\":4}},\"choice\":1}", "[]", "{\"correction\":\"x\"}"}) {
    EXPECT_EQ(queues.submit(queue.tenant, (*carl)->task.id, "carl", *Json::parse(wrong), later).error().code, ErrorCode::kInvalidArgument) << wrong;
  }
  EXPECT_TRUE(queues.submit(queue.tenant, (*carl)->task.id, "carl", *Json::parse(R"({"choice":1,"scores":{"A":{"Correct":3},"B":{"Correct":0}},"tags":["units"],"correction":"better"})"), later).ok());
}

inline void labels_are_counted_undone_and_judged(Store& store) {
  LabelQueues queues(store);
  const LabelQueue queue = some_queue(queues, "second", 100);
  std::vector<LabelTask> tasks;
  for (int i = 0; i < 12; ++i) tasks.push_back(some_task(i));
  tasks[0].gold = "{\"choice\":1}";
  tasks[0].disagreement = 1;
  ASSERT_TRUE(queues.add_tasks(queue.tenant, "second", tasks, 1).ok());
  int64_t now = 100;
  for (const char* const labeller : {"ann", "bob"}) {
    for (int i = 0; i < 12; ++i) {
      const auto next = queues.next(queue.tenant, "second", labeller, now);
      ASSERT_TRUE(next.ok() && *next) << i;
      now += 5'000'000;
      const bool differs = i == 5 && labeller[0] == 'b';
      const auto done = queues.submit(queue.tenant, (*next)->task.id, labeller, choice(differs ? 5 : 1 + i % 3), now);
      ASSERT_TRUE(done.ok()) << done.error().message;
      EXPECT_EQ(done->gold.empty(), (*next)->task.gold.empty());
      EXPECT_TRUE(i != 0 || done->right);
    }
    EXPECT_FALSE((*queues.next(queue.tenant, "second", labeller, now)).has_value());
  }
  EXPECT_EQ(queues.queues(queue.tenant)->at(0).n_done, 12);
  const auto stats = queues.stats(queue.tenant, "second");
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->n_double, 12);
  ASSERT_TRUE(stats->alpha && stats->interval);
  EXPECT_GT(*stats->alpha, 0.3);
  EXPECT_LT(*stats->alpha, 1);
  ASSERT_EQ(stats->labellers.size(), 2u);
  EXPECT_EQ(stats->labellers[0].n_labels, 12);
  EXPECT_EQ(stats->labellers[0].n_gold_right, 1);
  EXPECT_EQ(stats->labellers[1].n_differs, 1);
  EXPECT_NEAR(stats->labellers[0].median_s, 5, 0.01);
  EXPECT_EQ(queues.judged(queue.tenant, "second")->size(), 11u);  // gold items are no data

  const auto undone = queues.undo(queue.tenant, "second", "bob", now);
  ASSERT_TRUE(undone.ok());
  EXPECT_EQ(queues.queues(queue.tenant)->at(0).n_open, 1);
  EXPECT_EQ((*queues.next(queue.tenant, "second", "bob", now))->task.id, *undone);
  ASSERT_TRUE(queues.submit(queue.tenant, *undone, "bob", *Json::parse(R"({"flag":"names a person"})"), now).ok());
  EXPECT_EQ(queues.queues(queue.tenant)->at(0).n_flagged, 1);
  EXPECT_EQ(queues.undo(queue.tenant, "second", "nobody", now).error().code, ErrorCode::kNotFound);
}

// Random labellers, skips, undos and a clock that jumps over leases: no task has more labels and holders than places, nobody labels twice, states follow the counts.
inline void random_labelling_keeps_its_invariants(Store& store, uint64_t seed, int n_steps) {
  Rng rng(seed);
  LabelQueues queues(store);
  const LabelQueue queue = some_queue(queues, ("random" + std::to_string(seed)).c_str(), 50);
  std::vector<LabelTask> tasks;
  for (int i = 0; i < 25; ++i) tasks.push_back(some_task(i));
  ASSERT_TRUE(queues.add_tasks(queue.tenant, queue.name, tasks, 1).ok());
  std::map<std::string, LabelTaskId> held;
  int64_t now = 1'000'000;
  for (int step = 0; step < n_steps; ++step) {
    const std::string who = "labeller" + std::to_string(rng.below(5));
    now += static_cast<int64_t>(rng.below(8)) * 10'000'000;
    const uint64_t action = rng.below(10);
    if (action < 5) {
      const auto next = queues.next(queue.tenant, queue.name, who, now);
      ASSERT_TRUE(next.ok());
      if (*next) held[who] = (*next)->task.id;
    } else if (action < 9 && held.contains(who)) {
      (void)queues.submit(queue.tenant, held[who], who, action == 8 ? Json(Json::Object{{"skip", true}}) : choice(1 + static_cast<int>(rng.below(5))), now);
    } else {
      (void)queues.undo(queue.tenant, queue.name, who, now);
    }
    Status status = store.read([&](Reader& reader) -> Status {
      FS_TRY(const auto wrong, reader.first("SELECT count(*) FROM label_tasks t WHERE t.tenant = $1 AND (t.n_done <> (SELECT count(*) FROM labels b WHERE b.task = t.id AND b.skipped = 0) OR t.n_done > t.n_wanted "
                                            "OR (t.state = 'done') <> (t.n_done >= t.n_wanted))", {queue.tenant.str()}));
      EXPECT_EQ(wrong->integer(0), 0) << "step " << step;
      FS_TRY(const auto crowded, reader.first("SELECT count(*) FROM label_tasks t WHERE t.tenant = $1 AND t.n_wanted < (SELECT count(*) FROM label_leases l WHERE l.task = t.id AND l.until_us > $2) + t.n_done", {queue.tenant.str(), now}));
      EXPECT_EQ(crowded->integer(0), 0) << "step " << step;
      return {};
    });
    ASSERT_TRUE(status.ok()) << status.error().message;
  }
}

}  // namespace firesteel
