// Erasure, by its oracle: a word that only the person ever wrote is in no column of any table afterwards, nor in the file; what others wrote is untouched.
#include <gtest/gtest.h>

#include <memory>

#include "base/mapped_file.h"
#include "store/conversations.h"
#include "store/erase_user.h"
#include "store/run_ledgers.h"
#include "store/sqlite_store.h"
#include "store/stored_files.h"
#include "store/stored_responses.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

class EraseUserTest : public ::testing::Test {
 protected:
  void SetUp() override { store_ = open_sqlite_store({.path = folder_.file("store.db")}).value(); }

  void run(Sql sql, const Params& params) {
    const Status status = store_->write([&](Transaction& t) -> Status {
      FS_TRY_VOID(t.execute(sql, params));
      return {};
    });
    ASSERT_TRUE(status.ok()) << status.error().message;
  }

  // Something of every kind, each with the word in it.
  void live(const TenantId& tenant, const UserId& user, const std::string& word) {
    const Owner owner{tenant, user};
    const std::string key = KeyId::fresh().str(), id = user.str();
    run("INSERT INTO users(id, tenant, name, disabled, created_us, generation) VALUES($1, $2, $3, 0, 1, 1)", {id, tenant.str(), id});
    run("INSERT INTO api_keys(id, tenant, user_id, name, hint, hash, scopes, allowed_models, consent, limits, created_us, expires_us, revoked_us, last_used_us, replaced_by, generation) "
        "VALUES($1, $2, $3, 'k', 'h', $4, 1, '', 1, '', 1, 0, 0, 0, '', 1)", {key, tenant.str(), id, Blob{key}});
    Conversations conversations(*store_);
    const Conversation conversation = conversations.create(owner, "about " + word, "{}", 1).value();
    Message question{.conversation = conversation.id, .role = "user", .content = "\"" + word + "?\""};
    question = conversations.append(owner, question, 2).value();
    Message answer{.conversation = conversation.id, .parent = question.id, .role = "assistant", .content = "\"" + word + "!\"", .usage = "{}"};
    answer = conversations.append(owner, answer, 3).value();
    ASSERT_TRUE(RunLedgers(*store_).put(owner, answer.id, "{\"text\": \"" + word + "\"}", 4).ok());
    ASSERT_TRUE(conversations.put_feedback(owner, {.message = answer.id, .thumb = -1, .reason = word, .consent = true}, 5).ok());
    Message again{.conversation = conversation.id, .parent = question.id, .role = "assistant", .content = "\"" + word + "!!\"", .usage = "{}"};
    again = conversations.append(owner, again, 6).value();
    ASSERT_TRUE(conversations.put_choice(owner, {.chosen = again.id, .rejected = answer.id, .consent = true}, 7).ok());
    run("INSERT INTO usage VALUES($1, $2, $3, $4, 'm', 'openai.chat', 'stop', 1, 0, 1, 1, 1, 1, 0)", {tenant.str(), "req_" + id, key, id});
    run("INSERT INTO answered_by VALUES($1, $2, '', 'v', 'ro', 'api', $3, 0, 1, 1)", {tenant.str(), "req_" + id, "unit " + id});
    run("INSERT INTO answered_by VALUES($1, $2, $3, 'v', '', 'web', '', 0, 0, 1)", {tenant.str(), "turn " + id, answer.id.str()});
    run("INSERT INTO rollout_units VALUES('ro', $1)", {"unit " + id});
    run("INSERT INTO label_tasks VALUES($1, $2, 'q', $3, 0, '', 1, 1, 'done', $4, 'v', '', '', 1, 1)", {"task " + id, tenant.str(), word, id});
    run("INSERT INTO labels VALUES($1, $2, 'somebody', 'q', $3, 0, 0, 1, 1)", {tenant.str(), "task " + id, word});
    run("INSERT INTO labels VALUES($1, $2, $3, 'q', '{}', 0, 0, 1, 1)", {tenant.str(), "task of others " + id, id});
    run("INSERT INTO label_leases VALUES($1, $2, $3, 1, 2)", {tenant.str(), "another " + id, id});
    StoredResponses responses(*store_);
    responses.put_async(owner, {"resp_" + id, "{\"a\":\"" + word + "\"}", "[]"}, 1, [](const Status& done) { EXPECT_TRUE(done.ok()); });
    StoredFiles files(*store_);
    const std::string input = files.put(tenant, "batch", "in.jsonl", word, 0, 1).value().id.str(), training = files.put(tenant, "fine-tune", "t.jsonl", word, 0, 1).value().id.str();
    run("INSERT INTO batches VALUES($1, $2, $3, '/v1/chat/completions', 'completed', $4, '', '', '', '', '', 1, 1, 0, 1, 9, 0, '', 0)", {"batch " + id, tenant.str(), key, input});
    run("INSERT INTO batch_results VALUES($1, 0, 0, $2)", {"batch " + id, word});
    run("INSERT INTO tune_jobs VALUES($1, $2, $3, 'succeeded', 'm', '', $4, '', '', '', '', 'n', $5, 1, 1, 1, 1, 0, '', 0)", {"job " + id, tenant.str(), key, training, "adapter of " + id});
    run("INSERT INTO tune_job_events VALUES($1, 1, 1, 'info', $2, '')", {"job " + id, word});
  }

  // Of the database's file as it lies there once it is closed: what stands in no record stands nowhere.
  bool file_has(const std::string& word) {
    store_.reset();
    const Result<std::string> bytes = read_file(folder_.file("store.db"), 64u << 20);
    EXPECT_TRUE(bytes.ok());
    const bool found = bytes->find(word) != std::string::npos;
    store_ = open_sqlite_store({.path = folder_.file("store.db")}).value();
    return found;
  }

  TestFolder folder_;
  std::unique_ptr<Store> store_;
};

int64_t count(const ErasedRecords& records, const std::string& kind) {
  for (const auto& [name, n] : records.rows) {
    if (name == kind) return n;
  }
  ADD_FAILURE() << "no " << kind;
  return -1;
}

TEST_F(EraseUserTest, OnlyThisPersonIsGoneAndFromTheFileToo) {
  const TenantId tenant = TenantId::fresh(), other_tenant = TenantId::fresh();
  const UserId ann = UserId::fresh(), ben = UserId::fresh(), foreign = UserId::fresh();
  live(tenant, ann, "quicksilver7391");
  live(tenant, ben, "marmalade5520");
  live(other_tenant, foreign, "turpentine1188");
  ASSERT_TRUE(file_has("quicksilver7391"));

  EXPECT_EQ(tenant_of_user(*store_, ann).value(), tenant);
  EXPECT_TRUE(tenant_of_user(*store_, UserId::fresh()).value().empty());
  const ErasedRecords wished = erase_user_records(*store_, tenant, ann, /*dry_run=*/true).value();
  EXPECT_TRUE(file_has("quicksilver7391")) << "a dry run changes nothing";
  const ErasedRecords erased = erase_user_records(*store_, tenant, ann, /*dry_run=*/false).value();
  EXPECT_EQ(wished.rows, erased.rows);
  EXPECT_EQ(erased.adapters, (std::vector<std::string>{"adapter of " + ann.str()}));
  for (const auto& [kind, n] : std::vector<std::pair<std::string, int64_t>>{{"conversations", 1}, {"messages", 3}, {"feedback", 1}, {"choices", 1}, {"ledgers", 1}, {"label_tasks", 1}, {"labels", 1}, {"monitoring", 2},
                                                                             {"responses", 1}, {"files", 2}, {"batches", 1}, {"tuning_jobs", 1}, {"labels_made", 1}, {"usage_names", 1}}) {
    EXPECT_EQ(count(erased, kind), n) << kind;
  }
  EXPECT_EQ(erase_user_records(*store_, tenant, ann, false).value().total(), 0) << "again: nothing is left";
  EXPECT_FALSE(file_has("quicksilver7391"));
  EXPECT_TRUE(file_has("marmalade5520"));
  EXPECT_TRUE(file_has("turpentine1188"));
  for (const auto& [where, who] : {std::pair(tenant, ben), std::pair(other_tenant, foreign)}) {
    EXPECT_EQ(erase_user_records(*store_, where, who, true).value().rows, wished.rows) << "others have all of theirs";
  }
  EXPECT_EQ(erase_user_records(*store_, other_tenant, ben, true).value().total(), 0) << "a person of another tenant is nobody";
  EXPECT_FALSE(erase_user_records(*store_, tenant, {}, false).ok());
}

}  // namespace
}  // namespace firesteel
