// Files and batches through a whole server.
#include <map>
#include <set>
#include <thread>

#include "server/app_fixture.h"
#include "server/batch_runner.h"
#include "server/multipart.h"
#include "store/request_batches.h"
#include "store/stored_files.h"

namespace firesteel {
namespace {

std::string form(const std::string& content, const std::string& purpose = "batch", const std::string& more = {}) {
  return "--xx\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n" + purpose + "\r\n" + more +
         "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n" + content + "\r\n--xx--\r\n";
}

std::string line(const std::string& id, const std::string& words, const std::string& more = {}) {
  return R"({"custom_id":")" + id + R"(","method":"POST","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":")" + words + R"("}])" + more + "}}\n";
}

class BatchTest : public AppTest {
 protected:
  void TearDown() override {
    generator_.allow_all();
    runner_.reset();
    AppTest::TearDown();
  }
  void start_all() {
    start();
    run();
  }
  void run() { runner_ = std::make_unique<BatchRunner>(context_.get(), BatchRunner::Options{.poll_us = 20'000}); }
  HttpResponse upload(const std::string& secret, const std::string& content, const std::string& purpose = "batch", const std::string& more = {}) {
    return ask("POST", "/v1/files", secret, form(content, purpose, more), "Content-Type: multipart/form-data; boundary=xx\r\n");
  }
  std::string upload_id(const std::string& secret, const std::string& content) { return text(json(upload(secret, content)), "id"); }
  HttpResponse create(const std::string& secret, const std::string& file, const std::string& endpoint = "/v1/chat/completions") {
    return ask("POST", "/v1/batches", secret, R"({"input_file_id":")" + file + R"(","endpoint":")" + endpoint + R"(","completion_window":"24h","metadata":{"a":"b"}})");
  }
  // Until it is over.
  Json wait_for(const std::string& secret, const std::string& id) {
    const int64_t until_us = system_clock().now_us() + 20'000'000;
    for (;;) {
      Json batch = json(ask("GET", "/v1/batches/" + id, secret));
      const std::string status = text(batch, "status");
      if (status == "completed" || status == "failed" || status == "cancelled" || status == "expired" || system_clock().now_us() > until_us) return batch;
      std::this_thread::yield();
    }
  }
  std::map<std::string, Json> lines_of(const std::string& secret, const std::string& file) {
    std::map<std::string, Json> out;
    const std::string body = ask("GET", "/v1/files/" + file + "/content", secret).body;
    for (size_t at = 0; at < body.size();) {
      const size_t end = body.find('\n', at);
      Json one = Json::parse(body.substr(at, end - at)).value();
      const std::string id = text(one, "custom_id");
      EXPECT_EQ(out.count(id), 0u) << id;
      out[id] = std::move(one);
      at = end + 1;
    }
    return out;
  }
  static int64_t count(const Json& batch, const char* name) { return batch.find("request_counts")->find(name)->as_int(); }

  std::unique_ptr<BatchRunner> runner_;
};

TEST_F(BatchTest, FilesAreKeptListedAndDeleted) {
  start();
  const std::string secret = key();
  std::string large;
  for (int i = 0; large.size() < (5u << 19); ++i) large += std::to_string(i) + (i % 7 == 0 ? "\r\n--x\r\n" : ",");
  const HttpResponse made = upload(secret, large);
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string id = text(json(made), "id");
  EXPECT_EQ(json(made).find("bytes")->as_int(), static_cast<int64_t>(large.size()));
  EXPECT_EQ(text(json(made), "filename"), "in.jsonl");
  EXPECT_EQ(ask("GET", "/v1/files/" + id + "/content", secret).body, large);  // in pieces
  EXPECT_EQ(text(json(ask("GET", "/v1/files/" + id, secret)), "purpose"), "batch");
  const std::string small = upload_id(secret, "x");
  EXPECT_EQ(ask("GET", "/v1/files/" + small + "/content", secret).body, "x");
  EXPECT_EQ(json(ask("GET", "/v1/files?limit=1", secret)).find("data")->as_array().size(), 1u);
  EXPECT_EQ(*json(ask("GET", "/v1/files?limit=1", secret)).find("has_more"), Json(true));
  const Json second = json(ask("GET", "/v1/files?limit=1&after=" + small, secret));
  EXPECT_EQ(text(second.find("data")->as_array().at(0), "id"), id);
  EXPECT_EQ(*second.find("has_more"), Json(false));
  EXPECT_EQ(json(ask("GET", "/v1/files?purpose=fine-tune", secret)).find("data")->as_array().size(), 0u);
  EXPECT_EQ(text(json(ask("GET", "/v1/files?order=asc", secret)).find("data")->as_array().at(0), "id"), id);
  EXPECT_EQ(ask("DELETE", "/v1/files/" + id, secret).status, 200);
  EXPECT_EQ(ask("GET", "/v1/files/" + id, secret).status, 404);
  EXPECT_EQ(ask("GET", "/v1/files/" + id + "/content", secret).status, 404);
  // What is wrong is said by name.
  EXPECT_EQ(text(*json(upload(secret, "x", "nonsense")).find("error"), "param"), "purpose");
  EXPECT_EQ(ask("POST", "/v1/files", secret, form("x"), "Content-Type: multipart/form-data; boundary=yy\r\n").status, 400);
  EXPECT_EQ(ask("POST", "/v1/files", secret, "{}", "Content-Type: application/json\r\n").status, 400);
  EXPECT_EQ(ask("GET", "/v1/files", key(Scope::kInference)).status, 403);
  const std::string expiring = "--xx\r\nContent-Disposition: form-data; name=\"expires_after[anchor]\"\r\n\r\ncreated_at\r\n"
                               "--xx\r\nContent-Disposition: form-data; name=\"expires_after[seconds]\"\r\n\r\n3600\r\n";
  const Json short_lived = json(upload(secret, "x", "batch", expiring));
  ASSERT_NE(short_lived.find("expires_at"), nullptr) << short_lived.dump();
  EXPECT_EQ(short_lived.find("expires_at")->as_int() - short_lived.find("created_at")->as_int(), 3600);
}

TEST_F(BatchTest, EveryLineIsAnsweredOnce) {
  start_all();
  const std::string secret = key();
  std::string input;
  for (int i = 0; i < 20; ++i) input += line("id" + std::to_string(i), "word" + std::to_string(i));
  input += "\n" + line("wrong", "x", R"(,"temperature":9)");
  const HttpResponse made = create(secret, upload_id(secret, input));
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(text(json(made), "status"), "validating");
  const Json batch = wait_for(secret, text(json(made), "id"));
  ASSERT_EQ(text(batch, "status"), "completed") << batch.dump();
  EXPECT_EQ(count(batch, "total"), 21);
  EXPECT_EQ(count(batch, "completed"), 20);
  EXPECT_EQ(count(batch, "failed"), 1);
  EXPECT_EQ(text(*batch.find("metadata"), "a"), "b");
  for (const char* const time : {"created_at", "in_progress_at", "finalizing_at", "completed_at", "expires_at"}) EXPECT_TRUE(batch.find(time)->is_int()) << time;
  const auto answers = lines_of(secret, text(batch, "output_file_id"));
  ASSERT_EQ(answers.size(), 20u);
  for (const auto& [id, answer] : answers) {
    const Json& response = *answer.find("response");
    EXPECT_EQ(response.find("status_code")->as_int(), 200);
    const std::string said = text(*response.find("body")->find("choices")->as_array().at(0).find("message"), "content");
    EXPECT_NE(said.find("word" + id.substr(2)), std::string::npos) << said;
  }
  const auto errors = lines_of(secret, text(batch, "error_file_id"));
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors.at("wrong").find("response")->find("status_code")->as_int(), 400);
  EXPECT_EQ(used().n_requests, 20);
  EXPECT_EQ(json(ask("GET", "/v1/batches", secret)).find("data")->as_array().size(), 1u);
  EXPECT_EQ(ask("POST", "/v1/batches/" + text(batch, "id") + "/cancel", secret).status, 409);
}

TEST_F(BatchTest, OtherEndpointsRun) {
  start_all();
  const std::string secret = key();
  const std::string embed = R"({"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{"input":"one two"}})";
  Json batch = wait_for(secret, text(json(create(secret, upload_id(secret, embed), "/v1/embeddings")), "id"));
  EXPECT_EQ(count(batch, "completed"), 1) << batch.dump();
  const std::string respond = R"({"custom_id":"a","method":"POST","url":"/v1/responses","body":{"input":"one two"}})";
  batch = wait_for(secret, text(json(create(secret, upload_id(secret, respond), "/v1/responses")), "id"));
  ASSERT_EQ(count(batch, "completed"), 1) << batch.dump();
  const auto answers = lines_of(secret, text(batch, "output_file_id"));
  const std::string id = text(*answers.at("a").find("response")->find("body"), "id");
  EXPECT_EQ(ask("GET", "/v1/responses/" + id, secret).status, 200);  // stored like any other
  EXPECT_EQ(used().n_requests, 2);
}

TEST_F(BatchTest, WhatIsWrongWithTheInputIsSaidByLine) {
  start_all();
  const std::string secret = key();
  const std::string input = line("a", "x") + "{\n" + line("a", "y") + R"({"custom_id":"b","method":"POST","url":"/v1/embeddings","body":{}})" + "\n" +
                            line("c", "x", R"(,"stream":true)") + R"({"custom_id":"d","method":"GET","url":"/v1/chat/completions","body":{}})" + "\n" +
                            R"({"custom_id":"e","method":"POST","url":"/v1/chat/completions","body":{},"x":1})";
  const Json batch = wait_for(secret, text(json(create(secret, upload_id(secret, input))), "id"));
  EXPECT_EQ(text(batch, "status"), "failed");
  std::vector<std::pair<int64_t, std::string>> found;
  for (const Json& problem : batch.find("errors")->find("data")->as_array()) found.emplace_back(problem.find("line")->as_int(), text(problem, "code"));
  const std::vector<std::pair<int64_t, std::string>> expected = {{2, "invalid_json_line"}, {3, "duplicate_custom_id"}, {4, "mismatched_url"},
                                                                  {5, "invalid_request"},   {6, "invalid_method"},      {7, "unknown_parameter"}};
  EXPECT_EQ(found, expected);
  EXPECT_TRUE(batch.find("output_file_id")->is_null());
  const Json empty = wait_for(secret, text(json(create(secret, upload_id(secret, " \n"))), "id"));
  EXPECT_EQ(text(empty, "status"), "failed");
  EXPECT_EQ(create(secret, FileId::fresh().str()).status, 404);
  EXPECT_EQ(create(secret, "nonsense").status, 404);
  EXPECT_EQ(create(secret, upload_id(secret, input), "/v1/messages").status, 400);
  EXPECT_EQ(ask("POST", "/v1/batches", secret, R"({"input_file_id":"x","endpoint":"/v1/completions","completion_window":"1h"})").status, 400);
  EXPECT_EQ(text(*json(ask("POST", "/v1/batches", secret, R"({"windw":1})")).find("error"), "code"), "unknown_parameter");
  EXPECT_EQ(used().n_requests, 0);
}

TEST_F(BatchTest, GoesOnAfterARestartAndBillsEachLineOnce) {
  start_all();
  const std::string secret = key();
  std::string input;
  for (int i = 0; i < 12; ++i) input += line("id" + std::to_string(i), "word");
  generator_.allow(0);
  const std::string id = text(json(create(secret, upload_id(secret, input))), "id");
  // A few lines end, others are in the middle when the process goes.
  const int64_t until_us = system_clock().now_us() + 20'000'000;
  for (int n = 0; count(json(ask("GET", "/v1/batches/" + id, secret)), "completed") < 3 && system_clock().now_us() < until_us; ++n) generator_.allow(1);
  runner_.reset();
  const Json between = json(ask("GET", "/v1/batches/" + id, secret));
  EXPECT_EQ(text(between, "status"), "in_progress");
  EXPECT_EQ(used().n_requests, count(between, "completed"));
  generator_.allow_all();
  run();
  const Json batch = wait_for(secret, id);
  EXPECT_EQ(text(batch, "status"), "completed");
  EXPECT_EQ(lines_of(secret, text(batch, "output_file_id")).size(), 12u);
  EXPECT_EQ(used().n_requests, 12);
}

TEST_F(BatchTest, CancelKeepsWhatWasDone) {
  start_all();
  const std::string secret = key();
  std::string input;
  for (int i = 0; i < 10; ++i) input += line("id" + std::to_string(i), "word");
  generator_.allow(0);
  const std::string id = text(json(create(secret, upload_id(secret, input))), "id");
  while (text(json(ask("GET", "/v1/batches/" + id, secret)), "status") == "validating") std::this_thread::yield();
  const HttpResponse cancelled = ask("POST", "/v1/batches/" + id + "/cancel", secret);
  EXPECT_EQ(text(json(cancelled), "status"), "cancelling") << cancelled.body;
  generator_.allow_all();
  const Json batch = wait_for(secret, id);
  EXPECT_EQ(text(batch, "status"), "cancelled");
  const size_t n_done = text(batch, "output_file_id").empty() ? 0 : lines_of(secret, text(batch, "output_file_id")).size();
  const auto rest = lines_of(secret, text(batch, "error_file_id"));
  EXPECT_EQ(n_done + rest.size(), 10u);
  EXPECT_GE(rest.size(), 1u);
  EXPECT_EQ(text(*rest.begin()->second.find("error"), "code"), "batch_cancelled");
}

TEST_F(BatchTest, ARevokedKeyEndsItsBatches) {
  start();
  KeySpec spec;
  spec.tenant = tenant_;
  spec.name = "short";
  const CreatedKey made = tenants_->create_key(spec, kActor).value();
  const std::string id = text(json(create(made.secret, upload_id(made.secret, line("a", "x")))), "id");
  ASSERT_TRUE(tenants_->revoke_key(tenant_, made.record.id, kActor).ok());
  run();
  const Json batch = wait_for(key(), id);
  EXPECT_EQ(text(batch, "status"), "failed");
  EXPECT_EQ(text(batch.find("errors")->find("data")->as_array().at(0), "code"), "key_revoked");
}

TEST_F(BatchTest, LimitsOfTheKeyMakeItWaitAndQuotasFailItsLines) {
  start_all();
  const std::string one_at_once = key(kDefaultScopes, {.concurrency = 1});
  std::string input;
  for (int i = 0; i < 3; ++i) input += line("id" + std::to_string(i), "word");
  const Json batch = wait_for(one_at_once, text(json(create(one_at_once, upload_id(one_at_once, input))), "id"));
  EXPECT_EQ(count(batch, "completed"), 3) << batch.dump();
  const std::string none = key(kDefaultScopes, {.tokens_per_day = 1});
  const Json refused = wait_for(none, text(json(create(none, upload_id(none, input))), "id"));
  EXPECT_EQ(text(refused, "status"), "completed");
  EXPECT_EQ(count(refused, "failed"), 3);
}

// Another tenant's file and batch are not there, in any place where an id can be named.
TEST_F(BatchTest, ForeignFilesAndBatchesAreNotThere) {
  start_all();
  const std::string mine = key(), foreign = key(kDefaultScopes, {}, other_tenant_);
  const std::string file = upload_id(mine, line("a", "secret"));
  const std::string batch = text(json(create(mine, file)), "id");
  wait_for(mine, batch);
  const std::string unknown_file = FileId::fresh().str(), unknown_batch = BatchId::fresh().str();
  const auto same = [&](const char* method, const std::string& path, const std::string& id, const std::string& unknown, const std::string& body = {}) {
    const auto answer = [&](const std::string& used_id) {
      std::string filled_path = path, filled_body = body;
      for (std::string* one : {&filled_path, &filled_body}) {
        if (const size_t at = one->find('@'); at != std::string::npos) one->replace(at, 1, used_id);
      }
      return ask(method, filled_path, foreign, filled_body);
    };
    const HttpResponse of_foreign = answer(id), of_unknown = answer(unknown);
    EXPECT_EQ(of_foreign.status, 404) << method << " " << path << of_foreign.body;
    EXPECT_EQ(of_foreign.status, of_unknown.status);
    EXPECT_EQ(of_foreign.body, of_unknown.body);
  };
  same("GET", "/v1/files/@", file, unknown_file);
  same("GET", "/v1/files/@/content", file, unknown_file);
  same("DELETE", "/v1/files/@", file, unknown_file);
  same("GET", "/v1/files?after=@", file, unknown_file);
  same("GET", "/v1/batches/@", batch, unknown_batch);
  same("POST", "/v1/batches/@/cancel", batch, unknown_batch, "{}");
  same("GET", "/v1/batches?after=@", batch, unknown_batch);
  same("POST", "/v1/batches", file, unknown_file, R"({"input_file_id":"@","endpoint":"/v1/chat/completions","completion_window":"24h"})");
  EXPECT_EQ(json(ask("GET", "/v1/files", foreign)).find("data")->as_array().size(), 0u);
  EXPECT_EQ(json(ask("GET", "/v1/batches", foreign)).find("data")->as_array().size(), 0u);
  EXPECT_EQ(ask("GET", "/v1/files/" + file, mine).status, 200);
}

TEST_F(BatchTest, StoredResponsesSurviveARestart) {
  start();
  const std::string secret = key(), foreign = key(kDefaultScopes, {}, other_tenant_);
  const std::string id = text(json(ask("POST", "/v1/responses", secret, R"({"input":"one two"})")), "id");
  ASSERT_FALSE(id.empty());
  // A new server on the same store.
  context_->attach(nullptr);
  server_.reset();
  app_.reset();
  context_.reset();
  start();
  EXPECT_EQ(text(json(ask("GET", "/v1/responses/" + id, secret)), "id"), id);
  const HttpResponse next = ask("POST", "/v1/responses", secret, R"({"input":"three","stream":true,"previous_response_id":")" + id + "\"}");
  EXPECT_NE(next.body.find("response.completed"), std::string::npos) << next.body;
  EXPECT_NE(generator_.questions().back().prompt.find("one two"), std::string::npos);
  for (const char* const method : {"GET", "DELETE"}) EXPECT_EQ(ask(method, "/v1/responses/" + id, foreign).status, 404);
  EXPECT_EQ(ask("POST", "/v1/responses", foreign, R"({"input":"x","previous_response_id":")" + id + "\"}").status, 404);
  EXPECT_EQ(ask("DELETE", "/v1/responses/" + id, secret).status, 200);
  EXPECT_EQ(ask("GET", "/v1/responses/" + id, secret).status, 404);
}

TEST(Multipart, ReadsPartsAndRefusesWhatIsWrong) {
  const std::string type = "multipart/form-data; boundary=\"b c\"";
  const auto parts = parse_form(type, "--b c\r\nContent-Disposition: form-data; name=\"a%22\"\r\n\r\n\r\n--b c\r\ncontent-disposition: form-data; filename=x; name=f\r\n\r\n1\r\n--b\r\n\r\n--b c--");
  ASSERT_TRUE(parts.ok()) << parts.error().message;
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ((*parts)[0].name, "a\"");
  EXPECT_FALSE((*parts)[0].filename.has_value());
  EXPECT_EQ((*parts)[0].content, "");
  EXPECT_EQ((*parts)[1].filename, "x");
  EXPECT_EQ((*parts)[1].content, "1\r\n--b\r\n");
  for (const char* const body : {"", "--b c", "--b c\r\n", "--b c\r\n\r\n\r\n--b c--", "--b c\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b c--",
                                 "--b c\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--b c--", "--b c\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--b c--",
                                 "--b c\r\nContent-Disposition: form-data; name=a\r\n\r\nx", "--b cx\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b c--"}) {
    EXPECT_FALSE(parse_form(type, body).ok()) << body;
  }
  for (const char* const wrong : {"", "multipart/form-data", "multipart/form-data; boundary=", "text/plain; boundary=x", "multipart/form-data; boundary=\"x"}) {
    EXPECT_FALSE(parse_form(wrong, "--x--").ok()) << wrong;
  }
}

}  // namespace
}  // namespace firesteel
