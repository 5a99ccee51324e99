// The labelling routes: a label from the console is stored in the task's own order of sides; foreign tenants see nothing; changes are audited.
#include "labels/label_queue.h"
#include "server/app_fixture.h"

namespace firesteel {
namespace {

class LabelRoutesTest : public AppTest {
 protected:
  void SetUp() override {
    AppTest::SetUp();
    start();
    admin_ = key(Scope::kAdmin);
  }
  HttpResponse send(std::string_view method, const std::string& path, std::string_view body = {}) { return ask(method, "/firesteel/v1/admin/" + path, admin_, body); }
  std::string admin_;
};

TEST_F(LabelRoutesTest, SidesComeBackInTheTasksOwnOrder) {
  ASSERT_EQ(send("PUT", "labels/pairs", R"({"kind": "pairwise", "title": "Which?", "double_percent": 0})").status, 200);
  EXPECT_EQ(send("PUT", "labels/Pairs%20x", "{}").status, 400);
  EXPECT_EQ(send("PUT", "labels/pairs", R"({"kind": "tags", "tags": ["a"]})").status, 409);
  LabelQueues queues(*store_);
  std::vector<LabelTask> tasks(20);
  for (LabelTask& task : tasks) task.payload = *Json::parse(R"({"prompt": "q", "answers": ["good", "bad"], "why": "test"})");
  ASSERT_TRUE(queues.add_tasks(tenant_, "pairs", tasks, 1).ok());
  int n_swapped = 0;
  for (int i = 0; i < 20; ++i) {
    const Json next = json(send("POST", "labels/pairs/next", "{}"));
    const Json* const task = next.find("task");
    ASSERT_TRUE(task != nullptr && task->is_object());
    EXPECT_EQ(task->find("variant"), nullptr);
    const bool swapped = task->find("answers")->as_array()[0] == Json("bad");
    n_swapped += swapped ? 1 : 0;
    const HttpResponse saved = send("POST", "label-tasks/" + text(*task, "id"), swapped ? R"({"choice": 5})" : R"({"choice": 1})");  // "good" is much better
    ASSERT_EQ(saved.status, 200) << saved.body;
  }
  EXPECT_GT(n_swapped, 2);
  EXPECT_LT(n_swapped, 18);
  const auto all = queues.judged(tenant_, "pairs");
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 20u);
  for (const LabelQueues::Judged& judged : *all) EXPECT_EQ(judged.labels[0].value.find("choice")->as_int(), 1);
  EXPECT_TRUE(json(send("POST", "labels/pairs/next", "{}")).find("task")->is_null());
  EXPECT_EQ(send("POST", "labels/pairs/undo", "{}").status, 200);
  EXPECT_EQ(send("GET", "labels/pairs/stats").status, 200);
  const HttpResponse exported = send("GET", "labels/pairs/export?format=pairs");
  EXPECT_NE(exported.body.find("\"chosen\":\"good\""), std::string::npos) << exported.body;
  EXPECT_EQ(send("GET", "labels/none/stats").status, 404);
  EXPECT_EQ(send("POST", "label-tasks/task_x", R"({"choice": 1})").status, 404);
  EXPECT_EQ(send("POST", "label-tasks/" + LabelTaskId::fresh().str(), R"({"choice": 1})").status, 404);
  EXPECT_EQ(ask("GET", "/firesteel/v1/admin/labels", key(), {}).status, 403);  // no admin
  const auto audit = tenants_->audit_rows(tenant_, 0, 100);
  ASSERT_TRUE(audit.ok());
  bool queued = false;
  for (const AuditEntry& entry : *audit) queued = queued || entry.action == "label.queue";
  EXPECT_TRUE(queued);
}

}  // namespace
}  // namespace firesteel
