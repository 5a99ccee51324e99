// Fine-tuning jobs through a whole server; nobody runs them here.
#include "server/app_fixture.h"
#include "store/stored_files.h"
#include "store/tune_jobs.h"

namespace firesteel {
namespace {

class FineTuningTest : public AppTest {
 protected:
  void SetUp() override {
    AppTest::SetUp();
    start();
    secret_ = key();
    file_ = StoredFiles(*store_).put(tenant_, "fine-tune", "rows.jsonl", "{}\n", 0, 1).value().id.str();
  }
  HttpResponse create(const std::string& more, const std::string& secret) {
    return ask("POST", "/v1/fine_tuning/jobs", secret, R"({"model":"fake","training_file":")" + file_ + "\"" + more + "}");
  }
  std::string wrong(const std::string& more) {
    const HttpResponse response = create(more, secret_);
    EXPECT_EQ(response.status, 400) << more;
    const Json body = json(response);
    return body.find("error") == nullptr ? "" : text(*body.find("error"), "param");
  }
  std::string secret_, file_;
};

TEST_F(FineTuningTest, AJobIsMadeListedAndCancelled) {
  const Json job = json(create(R"(,"suffix":"desk","seed":5,"method":{"type":"dpo","dpo":{"hyperparameters":{"beta":0.2,"n_epochs":"auto"}}},"metadata":{"a":"b"})", secret_));
  EXPECT_EQ(text(job, "object"), "fine_tuning.job");
  EXPECT_EQ(text(job, "status"), "queued");
  EXPECT_EQ(text(*job.find("method"), "type"), "dpo");
  EXPECT_TRUE(job.find("fine_tuned_model")->is_null());
  EXPECT_TRUE(job.find("error")->is_null());
  const std::string id = text(job, "id");
  const TuneJob stored = TuneJobs(*store_).get(tenant_, *TuneJobId::parse(id)).value();
  EXPECT_EQ(stored.settings.dump(), R"({"method":"dpo","beta":0.2,"seed":5})");
  const Json list = json(ask("GET", "/v1/fine_tuning/jobs", secret_));
  EXPECT_EQ(list.find("data")->as_array().size(), 1u);
  EXPECT_EQ(*list.find("has_more"), Json(false));
  const Json events = json(ask("GET", "/v1/fine_tuning/jobs/" + id + "/events?limit=1", secret_));
  EXPECT_EQ(text(events.find("data")->as_array().front(), "object"), "fine_tuning.job.event");
  EXPECT_EQ(text(json(ask("POST", "/v1/fine_tuning/jobs/" + id + "/cancel", secret_)), "status"), "cancelled");
  EXPECT_EQ(ask("POST", "/v1/fine_tuning/jobs/" + id + "/cancel", secret_).status, 409);
  EXPECT_EQ(ask("GET", "/v1/fine_tuning/jobs/" + id + "/events?after=ftevent-x", secret_).status, 404);
}

TEST_F(FineTuningTest, TheModelIsTheTenantsAlone) {
  const std::string id = text(json(create("", secret_)), "id");
  TuneJobs jobs(*store_);
  TuneJob job = *jobs.claim("r", 1, 2).value();
  job.state = TuneJobState::kSucceeded;
  job.adapter_name = "ft-a";
  job.finished_us = 3;
  ASSERT_TRUE(jobs.finish(job, "r").ok());
  EXPECT_EQ(text(json(ask("GET", "/v1/fine_tuning/jobs/" + id, secret_)), "fine_tuned_model"), "fake:ft-a");
  const std::string other = key(kDefaultScopes, {}, other_tenant_);
  for (const char* more : {"", "/events"}) EXPECT_EQ(ask("GET", "/v1/fine_tuning/jobs/" + id + more, other).status, 404);
  EXPECT_EQ(ask("POST", "/v1/fine_tuning/jobs/" + id + "/cancel", other).status, 404);
  EXPECT_EQ(create("", other).status, 404);  // their file is not there for others
  EXPECT_EQ(ask("GET", "/v1/fine_tuning/jobs", key(Scope::kInference)).status, 403);
}

TEST_F(FineTuningTest, WhatIsWrongIsNamed) {
  EXPECT_EQ(wrong(R"(,"sufix":"a")"), "sufix");
  EXPECT_EQ(wrong(R"(,"suffix":"a b")"), "suffix");
  EXPECT_EQ(wrong(R"(,"hyperparameters":{"n_epochs":0})"), "hyperparameters.n_epochs");
  EXPECT_EQ(wrong(R"(,"hyperparameters":{"beta":0.1})"), "hyperparameters.beta");
  EXPECT_EQ(wrong(R"(,"method":{"type":"reinforcement"})"), "method.type");
  EXPECT_EQ(wrong(R"(,"method":{"type":"dpo","supervised":{}})"), "method.supervised");
  EXPECT_EQ(wrong(R"(,"method":{"type":"dpo","dpo":{"hyperparameters":{"batch_size":1.5}}})"), "method.dpo.hyperparameters.batch_size");
  EXPECT_EQ(wrong(R"(,"validation_file":"file-1")"), "validation_file");
  EXPECT_EQ(wrong(R"(,"metadata":{"a":1})"), "metadata");
  EXPECT_EQ(ask("POST", "/v1/fine_tuning/jobs", secret_, R"({"model":"gpt","training_file":")" + file_ + "\"}").status, 400);
  EXPECT_EQ(ask("POST", "/v1/fine_tuning/jobs", secret_, R"({"model":"fake","training_file":"file-x"})").status, 404);
  EXPECT_EQ(ask("POST", "/v1/fine_tuning/jobs", secret_, R"({"model":"fake"})").status, 400);
}

}  // namespace
}  // namespace firesteel
