// Checks of files, batches and responses that every database must pass.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/rng.h"
#include "store/request_batches.h"
#include "store/stored_files.h"
#include "store/stored_responses.h"

namespace firesteel {

inline void files_keep_tenants_apart(Store& store) {
  StoredFiles files(store);
  const TenantId a = TenantId::fresh(), b = TenantId::fresh();
  Rng rng(4);
  std::vector<StoredFile> made;
  std::vector<std::string> contents;
  for (const size_t n : {size_t{0}, size_t{1}, StoredFiles::kPieceBytes - 1, StoredFiles::kPieceBytes, StoredFiles::kPieceBytes + 1}) {
    std::string content(n, '\0');
    for (char& c : content) c = static_cast<char>(rng.next_u32());
    const Result<StoredFile> file = files.put(a, "batch", "ä.jsonl", content, 0, static_cast<int64_t>(100 + made.size() / 2));  // two of one moment
    ASSERT_TRUE(file.ok()) << file.error().message;
    made.push_back(*file);
    contents.push_back(std::move(content));
  }
  for (size_t i = 0; i < made.size(); ++i) {
    EXPECT_EQ(files.get(a, made[i].id, 1)->n_bytes, static_cast<int64_t>(contents[i].size()));
    std::string read;
    for (int64_t seq = 0;; ++seq) {
      const std::string piece = files.piece(a, made[i].id, seq).value();
      if (piece.empty()) break;
      read += piece;
    }
    EXPECT_TRUE(read == contents[i]) << i;
    EXPECT_EQ(files.get(b, made[i].id, 1).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(files.piece(b, made[i].id, 0).value(), "");
    EXPECT_EQ(files.remove(b, made[i].id).error().code, ErrorCode::kNotFound);
  }
  // Page by page, both ways, everything once.
  for (const bool newest_first : {true, false}) {
    std::vector<std::string> seen;
    StoredFiles::Page page{.purpose = "batch", .after = {}, .newest_first = newest_first, .limit = 2};
    for (;;) {
      const std::vector<StoredFile> some = files.list(a, page, 1).value();
      if (some.empty()) break;
      for (const StoredFile& file : some) seen.push_back(file.id.str());
      page.after = some.back().id;
    }
    EXPECT_EQ(seen.size(), made.size());
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end());
  }
  EXPECT_TRUE(files.list(b, {}, 1)->empty());
  EXPECT_EQ(files.list(b, {.after = made[0].id}, 1).error().code, ErrorCode::kNotFound);
  // What expired is gone, at once for readers; what nobody finished, after a day.
  const StoredFile brief = files.put(a, "batch", "b", "x", 1000, 500).value();
  EXPECT_TRUE(files.get(a, brief.id, 999).ok());
  EXPECT_FALSE(files.get(a, brief.id, 1000).ok());
  StoredFiles::Writer abandoned = files.begin(a, "batch", "c", 0, 1000).value();
  EXPECT_FALSE(files.get(a, abandoned.id(), 1000).ok());
  EXPECT_TRUE(files.purge(2000).ok());
  EXPECT_TRUE(abandoned.commit().ok());  // still there
  EXPECT_TRUE(files.get(a, abandoned.id(), 1000).ok());
  EXPECT_EQ(files.piece(a, brief.id, 0).value(), "");
  EXPECT_EQ(files.put(a, "batch", std::string(600, 'a'), "x", 0, 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(files.put(a, "batch", std::string("a\0b", 3), "x", 0, 1).error().code, ErrorCode::kInvalidArgument);
}

inline void batches_run_once(Store& store) {
  RequestBatches batches(store);
  const TenantId a = TenantId::fresh(), b = TenantId::fresh();
  StoredBatch batch{.id = BatchId::fresh(), .tenant = a, .key = KeyId::fresh(), .endpoint = "/v1/completions", .input_file = FileId::fresh(),
                    .metadata = Json::Object{{"k", "v"}}, .created_us = 10, .expires_us = 1000};
  ASSERT_TRUE(batches.create(batch).ok());
  EXPECT_EQ(batches.get(b, batch.id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(batches.cancel(b, batch.id, 20).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(batches.list(b, batch.id, 5).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(batches.list(a, {}, 5)->size(), 1u);
  EXPECT_EQ(batches.get(a, batch.id)->metadata, batch.metadata);
  // One runner at a time; another one after the hold ran out, and then the first has lost it.
  EXPECT_FALSE(batches.claim("one", {a}, 20, 100).value().has_value());
  ASSERT_EQ(batches.claim("one", {}, 20, 100).value()->id, batch.id);
  EXPECT_FALSE(batches.claim("two", {}, 90, 200).value().has_value());
  ASSERT_TRUE(batches.begin(batch.id, 3, 30).ok());
  EXPECT_EQ(batches.hold(batch.id, "one", 120).value(), BatchState::kInProgress);
  EXPECT_TRUE(batches.add_result(batch.id, "one", {0, false, "first"}).ok());
  EXPECT_TRUE(batches.add_result(batch.id, "one", {0, true, "again"}).ok());
  ASSERT_TRUE(batches.claim("two", {}, 121, 200).value().has_value());
  EXPECT_EQ(batches.hold(batch.id, "one", 300).error().code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(batches.add_result(batch.id, "one", {1, false, "late"}).error().code, ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(batches.add_result(batch.id, "two", {2, true, "third"}).ok());
  EXPECT_EQ(batches.finished_lines(batch.id).value(), (std::vector<int64_t>{0, 2}));
  const StoredBatch now = batches.get(a, batch.id).value();
  EXPECT_EQ(now.n_total, 3);
  EXPECT_EQ(now.n_completed, 1);
  EXPECT_EQ(now.n_failed, 1);
  ASSERT_EQ(batches.results(batch.id, false, -1, 1).value().size(), 1u);
  EXPECT_EQ(batches.results(batch.id, false, -1, 1).value()[0].text, "first");
  EXPECT_TRUE(batches.results(batch.id, true, 2, 1).value().empty());
  EXPECT_EQ(batches.cancel(a, batch.id, 130)->state, BatchState::kCancelling);
  EXPECT_EQ(batches.hold(batch.id, "two", 300).value(), BatchState::kCancelling);
  const auto finish = [&](const char* runner) {
    return store.write([&](Transaction& transaction) { return RequestBatches::finish(transaction, batch.id, runner, {.state = BatchState::kCancelled}, 2'000'000); });
  };
  EXPECT_EQ(finish("one").error().code, ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(finish("two").ok());
  EXPECT_EQ(finish("two").error().code, ErrorCode::kFailedPrecondition);
  const StoredBatch over = batches.get(a, batch.id).value();
  EXPECT_EQ(over.state, BatchState::kCancelled);
  EXPECT_EQ(*over.times.find("cancelled_at"), Json(2));
  EXPECT_EQ(batches.cancel(a, batch.id, 140).error().code, ErrorCode::kFailedPrecondition);
  EXPECT_TRUE(batches.finished_lines(batch.id).value().empty());
  EXPECT_FALSE(batches.claim("two", {}, 1'000'000, 1'000'001).value().has_value());
}

inline void responses_make_room(Store& store) {
  StoredResponses responses(store);
  const TenantId a = TenantId::fresh(), b = TenantId::fresh();
  const auto put = [&](const TenantId& tenant, const std::string& id, const std::string& text, int64_t now_us) {
    Mutex mutex;
    CondVar changed;
    std::optional<Status> status;
    responses.put_async({tenant, {}}, {id, text, "[]"}, now_us, [&](Status done) {
      MutexLock lock(mutex);
      status = std::move(done);
      changed.notify_one();
    });
    MutexLock lock(mutex);
    while (!status) changed.wait(mutex);
    return *status;
  };
  ASSERT_TRUE(put(a, "resp_1", "{\"a\":1}", 100).ok());
  ASSERT_TRUE(put(b, "resp_1", "{\"b\":1}", 100).ok());  // the same id elsewhere is something else
  EXPECT_EQ(responses.get(a, "resp_1", 200)->response, "{\"a\":1}");
  EXPECT_EQ(responses.get(b, "resp_1", 200)->response, "{\"b\":1}");
  EXPECT_EQ(responses.get(TenantId::fresh(), "resp_1", 200).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(responses.get(a, std::string("resp\0", 5), 200).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(responses.get(a, "resp_1", 101 + StoredResponses::kKeptUs).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(put(a, "resp_2", std::string((64u << 20) + 1, 'x'), 100).error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(put(a, "resp_3", "{}", 101 + StoredResponses::kKeptUs).ok());  // takes the old one with it
  EXPECT_EQ(responses.get(a, "resp_1", 100).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(responses.remove(b, "resp_3").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(responses.remove(a, "resp_3").ok());
  EXPECT_EQ(responses.remove(a, "resp_3").error().code, ErrorCode::kNotFound);
}

}  // namespace firesteel
