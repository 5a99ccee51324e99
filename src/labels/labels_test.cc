#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <string>

#include "base/rng.h"
#include "labels/agreement.h"
#include "labels/collect.h"
#include "labels/exchange.h"
#include "labels/label_checks.h"
#include "labels/label_queue.h"
#include "store/conversations.h"
#include "store/run_ledgers.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

TEST(Agreement, MatchesPublishedExamples) {
  // Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability": A (two observers, binary), B (two observers, five categories), C (four observers, missing data).
  const auto pairs = [](std::vector<double> a, std::vector<double> b) {
    std::vector<UnitLabels> units;
    for (size_t i = 0; i < a.size(); ++i) units.push_back({a[i], b[i]});
    return units;
  };
  EXPECT_NEAR(*krippendorff_alpha(pairs({0, 1, 0, 0, 0, 0, 0, 0, 1, 0}, {1, 1, 1, 0, 0, 1, 0, 0, 0, 0}), AlphaMetric::kNominal), 0.095, 0.0005);
  EXPECT_NEAR(*krippendorff_alpha(pairs({1, 1, 2, 2, 4, 3, 3, 3, 5, 4, 4, 1}, {2, 1, 2, 2, 2, 3, 3, 3, 5, 4, 4, 4}), AlphaMetric::kNominal), 0.692, 0.0005);
  const std::vector<UnitLabels> units = {{1, 1, 1}, {2, 2, 3, 2}, {3, 3, 3, 3}, {3, 3, 3, 3}, {2, 2, 2, 2}, {1, 2, 3, 4}, {4, 4, 4, 4}, {1, 1, 2, 1}, {2, 2, 2, 2}, {5, 5, 5}, {1, 1}, {3}};
  EXPECT_NEAR(*krippendorff_alpha(units, AlphaMetric::kNominal), 0.743, 0.0005);
  EXPECT_NEAR(*krippendorff_alpha(units, AlphaMetric::kOrdinal), 0.815, 0.0005);
  EXPECT_NEAR(*krippendorff_alpha(units, AlphaMetric::kInterval), 0.849, 0.0005);
  const auto interval = alpha_interval(units, AlphaMetric::kNominal, 1);
  ASSERT_TRUE(interval.has_value());
  EXPECT_LT(interval->low, 0.743);
  EXPECT_GT(interval->high, 0.743);
  EXPECT_FALSE(krippendorff_alpha({{1, 1}, {1, 1}}, AlphaMetric::kNominal).has_value());
  EXPECT_FALSE(krippendorff_alpha({{1}, {2}}, AlphaMetric::kNominal).has_value());
}

class LabelsTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = open_sqlite_store({.path = folder_.file("test.db")});
    ASSERT_TRUE(store.ok()) << store.error().message;
    store_ = std::move(store).value();
  }
  TestFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(LabelsTest, QueueKeepsItsPromises) {
  leases_are_exclusive_and_order_is_by_disagreement(*store_);
  labels_are_counted_undone_and_judged(*store_);
  random_labelling_keeps_its_invariants(*store_, 1, 150);
}

TEST_F(LabelsTest, FormatsOfOthersComeInAndGoOut) {
  const auto pairs = import_tasks("pairs", "{\"prompt\":\"q\",\"chosen\":\"good\",\"rejected\":\"bad\",\"user\":\"u1\",\"disagreement\":0.5}\nbroken\n"
                                           "{\"prompt\":[{\"role\":\"user\",\"content\":\"q2\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"a\"}],\"rejected\":\"b\"}\n{\"prompt\":\"q\",\"chosen\":\"x\",\"rejected\":\"y\",\"consent\":false}\n");
  ASSERT_TRUE(pairs.ok());
  ASSERT_EQ(pairs->tasks.size(), 2u);
  EXPECT_EQ(pairs->tasks[0].user, "u1");
  ASSERT_EQ(pairs->rejected.size(), 2u);
  EXPECT_EQ(pairs->rejected[0].row, 2);
  EXPECT_EQ(import_tasks("openai", R"({"input":{"messages":[{"role":"user","content":"q"}]},"preferred_output":[{"role":"assistant","content":"a"}],"non_preferred_output":[{"role":"assistant","content":"b"}]})")->tasks.size(), 1u);
  EXPECT_EQ(import_tasks("messages", R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]})")->tasks.size(), 1u);
  EXPECT_EQ(import_tasks("label-studio", R"([{"id":1,"data":{"prompt":"q","answer1":"a","answer2":"b"}},{"id":2}])")->tasks.size(), 1u);
  const auto webui = import_tasks("open-webui", R"([{"id":"f","user_id":"u9","type":"rating","data":{"rating":-1,"model_id":"m","reason":"wrong"},"meta":{"message_id":"b"},
      "snapshot":{"chat":{"chat":{"history":{"messages":{"a":{"role":"user","content":"2+2?"},"b":{"role":"assistant","content":"5","parentId":"a"}}}}}}}])");
  ASSERT_TRUE(webui.ok()) << webui.error().message;
  ASSERT_EQ(webui->tasks.size(), 1u);
  EXPECT_EQ(webui->tasks[0].payload.find("why")->as_string(), "thumb down: wrong");
  EXPECT_EQ(webui->tasks[0].user, "u9");
  EXPECT_FALSE(import_tasks("xml", "").ok());
  EXPECT_FALSE(import_tasks("label-studio", "{").ok());

  LabelQueue queue;
  queue.kind = "pairwise";
  LabelQueues::Judged judged;
  judged.task = pairs->tasks[0];
  judged.labels = {{judged.task.id, "a", *Json::parse(R"({"choice":5})"), 0, 0}, {judged.task.id, "b", *Json::parse(R"({"choice":2})"), 0, 0}};
  const auto line = export_labels("pairs", queue, {judged});
  ASSERT_TRUE(line.ok());
  const auto json = Json::parse(*line);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->find("chosen")->as_string(), "bad");  // 5 and 2: B by the balance
  EXPECT_EQ(json->find("user")->as_string(), "u1");
  judged.labels[1].value = *Json::parse(R"({"choice":1,"correction":"best"})");
  EXPECT_NE(export_labels("pairs", queue, {judged})->find("\"chosen\":\"best\""), std::string::npos);
  EXPECT_NE(export_labels("openai", queue, {judged})->find("preferred_output"), std::string::npos);
  EXPECT_NE(export_labels("messages", queue, {judged})->find("best"), std::string::npos);
  const auto studio = Json::parse(*export_labels("label-studio", queue, {judged}));
  ASSERT_TRUE(studio.ok());
  EXPECT_EQ(studio->as_array()[0].find("annotations")->as_array().size(), 2u);
  judged.task.state = "flagged";
  EXPECT_EQ(*export_labels("pairs", queue, {judged}), "");
}

TEST_F(LabelsTest, OnlyConsentedFeedbackBecomesTasksAndErasureTakesAll) {
  const Owner owner{TenantId::fresh(), UserId::fresh()};
  Conversations conversations(*store_);
  const auto conversation = conversations.create(owner, "t", "{}", 1);
  ASSERT_TRUE(conversation.ok());
  const auto say = [&](const MessageId& parent, const char* role, const char* content) {
    Message message;
    message.conversation = conversation->id;
    message.parent = parent;
    message.role = role;
    message.content = content;
    message.model = "kindling";
    return conversations.append(owner, message, 2)->id;
  };
  const MessageId question = say({}, "user", "\"What is 2 + 2?\"");
  const MessageId kept = say(question, "assistant", "\"5\""), unkept = say(question, "assistant", "\"6\""), voted = say(question, "assistant", R"([{"type":"text","text":"4"}])");
  const auto judge = [&](const MessageId& message, bool consent, const char* correction) {
    Feedback feedback;
    feedback.message = message;
    feedback.thumb = -1;
    feedback.correction = correction;
    feedback.consent = consent;
    ASSERT_TRUE(conversations.put_feedback(owner, feedback, 3).ok());
  };
  judge(kept, true, "4");
  judge(unkept, false, "4");
  judge(voted, true, "");
  ASSERT_TRUE(RunLedgers(*store_).put(owner, voted, R"({"lanes":[{"role":"sample","state":"done","text":"so\nAnswer: 4"},{"role":"sample","state":"done","text":"Answer: 4"},{"role":"sample","state":"done","text":"Answer: 5"},{"role":"join","state":"done","text":"x"}]})", 3).ok());
  ASSERT_TRUE(conversations.put_choice(owner, {.chosen = unkept, .rejected = voted, .consent = false}, 3).ok());
  ASSERT_TRUE(conversations.put_choice(owner, {.chosen = voted, .rejected = kept, .consent = true}, 3).ok());
  ASSERT_TRUE(conversations.put_choice(owner, {.chosen = kept, .rejected = voted, .consent = true}, 4).ok()) << "thought again: it replaces";
  EXPECT_FALSE(conversations.put_choice(owner, {.chosen = kept, .rejected = kept, .consent = true}, 4).ok());
  EXPECT_FALSE(conversations.put_choice(owner, {.chosen = kept, .rejected = question, .consent = true}, 4).ok()) << "a question is no answer";
  EXPECT_EQ(conversations.put_choice({owner.tenant, UserId::fresh()}, {.chosen = kept, .rejected = voted, .consent = true}, 4).error().code, ErrorCode::kNotFound);
  const auto tasks = collect_tasks(*store_, owner.tenant, "pairwise", 100);
  ASSERT_TRUE(tasks.ok()) << tasks.error().message;
  ASSERT_EQ(tasks->size(), 3u);
  std::map<std::string, LabelTask> by_answer;
  for (const LabelTask& task : *tasks) by_answer[task.payload.find("answers")->as_array()[1].as_string()] = task;
  ASSERT_TRUE(by_answer.contains("Answer: 5"));
  EXPECT_NEAR(by_answer["Answer: 5"].disagreement, 2.0 / 3, 1e-9);
  bool chosen_task = false;
  for (const LabelTask& task : *tasks) chosen_task = chosen_task || task.payload.find("answers")->dump() == R"(["5","4"])" ;
  EXPECT_TRUE(chosen_task);
  ASSERT_TRUE(by_answer.contains("4"));
  EXPECT_EQ(by_answer["4"].user, owner.user.str());
  EXPECT_EQ(collect_tasks(*store_, owner.tenant, "correction", 100)->size(), 2u);
  EXPECT_EQ(collect_tasks(*store_, TenantId::fresh(), "pairwise", 100)->size(), 0u);
  const auto lines = export_feedback(*store_, owner.tenant, 100);
  ASSERT_TRUE(lines.ok());
  EXPECT_NE(lines->find("\"chosen\":\"4\",\"rejected\":\"5\""), std::string::npos) << *lines;
  EXPECT_NE(lines->find("\"chosen\":\"5\",\"rejected\":\"4\""), std::string::npos) << "the choice: " << *lines;
  EXPECT_EQ(lines->find("\"6\""), std::string::npos);

  LabelQueues queues(*store_);
  LabelQueue queue;
  queue.tenant = owner.tenant;
  queue.name = "sums";
  ASSERT_TRUE(queues.put_queue(queue, 1).ok());
  ASSERT_TRUE(queues.add_tasks(owner.tenant, "sums", *tasks, 4).ok());
  ASSERT_TRUE(queues.add_tasks(owner.tenant, "sums", *tasks, 5).ok());
  EXPECT_EQ(queues.queues(owner.tenant)->at(0).n_open, 3);  // the second time added nothing
  EXPECT_EQ(*erase_feedback(*store_, owner.tenant, owner.user.str()), 8);  // three tasks, three rows of feedback, two choices
  EXPECT_EQ(queues.queues(owner.tenant)->at(0).n_open, 0);
  EXPECT_EQ(collect_tasks(*store_, owner.tenant, "correction", 100)->size(), 0u);
}

TEST_F(LabelsTest, DisagreementFirstFindsDisputedTasksSooner) {
  // 400 tasks, of which 60 are truly disputed; votes of five lanes say so more often than not. How many disputed ones are among the first 60 that are given out?
  Rng rng(4);
  LabelQueues queues(*store_);
  LabelQueue queue;
  queue.tenant = TenantId::fresh();
  queue.name = "order";
  queue.double_percent = 0;
  ASSERT_TRUE(queues.put_queue(queue, 1).ok());
  std::vector<LabelTask> tasks;
  std::set<std::string> disputed;
  for (int i = 0; i < 400; ++i) {
    LabelTask task = some_task(i);
    task.id = LabelTaskId::fresh();
    const bool is_disputed = i % 7 == 0;
    int n_first = 0;
    for (int lane = 0; lane < 5; ++lane) n_first += rng.uniform() < (is_disputed ? 0.5 : 0.95) ? 1 : 0;
    task.disagreement = 1 - std::abs(2.0 * n_first - 5) / 5;
    if (is_disputed) disputed.insert(task.id.str());
    tasks.push_back(std::move(task));
  }
  ASSERT_TRUE(queues.add_tasks(queue.tenant, "order", tasks, 2).ok());
  size_t n_found = 0;
  for (int i = 0; i < 60; ++i) {
    const auto next = queues.next(queue.tenant, "order", "ann", 10 + i);
    ASSERT_TRUE(next.ok() && *next);
    n_found += disputed.contains((*next)->task.id.str()) ? 1u : 0u;
    ASSERT_TRUE(queues.submit(queue.tenant, (*next)->task.id, "ann", *Json::parse(R"({"choice":3})"), 11 + i).ok());
  }
  RecordProperty("found", static_cast<int>(n_found));
  EXPECT_GE(n_found, 30u);  // random order finds 58 * 60 / 400 = 8.7
}

}  // namespace
}  // namespace firesteel
