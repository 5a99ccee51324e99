#include "labels/label_queue.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "labels/label_rows.h"

namespace firesteel {
namespace {

constexpr size_t kPayloadBytes = 256u << 10;
constexpr int64_t kUndoUs = INT64_C(600'000'000);

uint64_t stable_hash_of(std::string_view text) {  // FNV-1a with a final mix
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  hash ^= hash >> 32;
  return hash * 0x9e3779b97f4a7c15u >> 16;
}

Status check_text(const char* what, const std::string& text, size_t max) {
  if (text.size() > max) return label_rows::bad(fmt::format("{}: {} bytes, at most {}", what, text.size(), max));
  if (!is_valid_utf8(text) || text.find('\0') != std::string::npos) return label_rows::bad(std::string(what) + ": not UTF-8 text without null characters");
  return {};
}

Result<LabelTask> find_task(Reader& reader, const TenantId& tenant, const LabelTaskId& id) {
  FS_TRY(const std::optional<Row> row, reader.first(
      "SELECT id, tenant, queue, payload, disagreement_ppm, gold, n_wanted, n_done, state, user_id, variant, prompt_digest, feedback, asked_us, created_us FROM label_tasks WHERE tenant = $1 AND id = $2",
      {tenant.str(), id.str()}));
  if (!row) return Error{ErrorCode::kNotFound, "no such label task"};
  return label_rows::task_of(*row);
}

// n_done counts labels that are no skip; the state follows, a flag stays.
Status recount(Transaction& transaction, const TenantId& tenant, const LabelTaskId& id) {
  FS_TRY_VOID(transaction.execute("UPDATE label_tasks SET n_done = (SELECT count(*) FROM labels WHERE labels.tenant = $1 AND labels.task = $2 AND labels.skipped = 0) WHERE tenant = $1 AND id = $2",
                                  {tenant.str(), id.str()}));
  FS_TRY_VOID(transaction.execute("UPDATE label_tasks SET state = CASE WHEN EXISTS(SELECT 1 FROM labels WHERE labels.tenant = $1 AND labels.task = $2 AND labels.flagged = 1) THEN 'flagged' "
                                  "WHEN n_done >= n_wanted THEN 'done' ELSE 'open' END WHERE tenant = $1 AND id = $2",
                                  {tenant.str(), id.str()}));
  return {};
}

}  // namespace

bool sides_swapped(const LabelTaskId& task, const std::string& labeller) { return stable_hash_of(task.str() + " " + labeller) % 2 == 1; }

Result<LabelQueue> LabelQueues::put_queue(LabelQueue queue, int64_t now_us) {
  const bool fits = !queue.name.empty() && queue.name.size() <= 64 && queue.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos;
  if (!fits) return label_rows::bad("queue name: expected 1 to 64 of a-z 0-9 - _");
  if (queue.kind != "pairwise" && queue.kind != "rubric" && queue.kind != "correction" && queue.kind != "tags" && queue.kind != "flag") {
    return label_rows::bad("kind: expected pairwise, rubric, correction, tags or flag");
  }
  FS_TRY_VOID(check_text("title", queue.title, 200));
  FS_TRY_VOID(check_text("guideline", queue.guideline, 16u << 10));
  if (!queue.rubric.is_array() || queue.rubric.as_array().size() > 10) return label_rows::bad("rubric: expected at most ten criteria");
  for (const Json& item : queue.rubric.as_array()) {
    const Json* const name = item.find("name");
    if (name == nullptr || !name->is_string() || name->as_string().empty() || name->as_string().size() > 64) return label_rows::bad("rubric: each criterion has a name of at most 64 bytes");
  }
  if (!queue.tags.is_array() || queue.tags.as_array().size() > 50) return label_rows::bad("tags: expected at most fifty");
  for (const Json& tag : queue.tags.as_array()) {
    if (!tag.is_string() || tag.as_string().empty() || tag.as_string().size() > 64) return label_rows::bad("tags: expected words of at most 64 bytes");
  }
  if (queue.double_percent < 0 || queue.double_percent > 100) return label_rows::bad("double: expected 0 to 100 percent");
  if (queue.lease_s < 10 || queue.lease_s > 86'400) return label_rows::bad("lease: expected 10 seconds to a day");
  if (queue.kind == "tags" && queue.tags.as_array().empty()) return label_rows::bad("tags: a queue of this kind needs some");
  if (queue.kind == "rubric" && queue.rubric.as_array().empty()) return label_rows::bad("rubric: a queue of this kind needs criteria");
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    const auto there = label_rows::find_queue(transaction, queue.tenant, queue.name);
    if (there.ok() && there->kind != queue.kind) return Error{ErrorCode::kFailedPrecondition, "queue '" + queue.name + "' is of kind " + there->kind};
    if (!there.ok() && there.error().code != ErrorCode::kNotFound) return there.error();
    queue.created_us = there.ok() ? there->created_us : now_us;
    FS_TRY_VOID(transaction.execute(
        "INSERT INTO label_queues(tenant, name, kind, title, guideline, rubric, tags, double_percent, lease_s, created_us) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
        "ON CONFLICT(tenant, name) DO UPDATE SET title = excluded.title, guideline = excluded.guideline, rubric = excluded.rubric, tags = excluded.tags, double_percent = excluded.double_percent, "
        "lease_s = excluded.lease_s",
        {queue.tenant.str(), queue.name, queue.kind, queue.title, queue.guideline, queue.rubric.dump(), queue.tags.dump(), queue.double_percent, queue.lease_s, queue.created_us}));
    return {};
  });
  FS_TRY_VOID(written);
  return queue;
}

Result<LabelQueue> LabelQueues::queue(const TenantId& tenant, const std::string& name) {
  Result<LabelQueue> found = label_rows::no_queue(name);
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    found = label_rows::find_queue(reader, tenant, name);
    return {};
  }));
  return found;
}

Result<std::vector<QueueCounts>> LabelQueues::queues(const TenantId& tenant) {
  std::vector<QueueCounts> out;
  FS_TRY_VOID(store_.read([&](Reader& reader) {
    return reader.each(
        "SELECT q.tenant, q.name, q.kind, q.title, q.guideline, q.rubric, q.tags, q.double_percent, q.lease_s, q.created_us, "
        "(SELECT count(*) FROM label_tasks t WHERE t.tenant = q.tenant AND t.queue = q.name AND t.state = 'open'), "
        "(SELECT count(*) FROM label_tasks t WHERE t.tenant = q.tenant AND t.queue = q.name AND t.state = 'done'), "
        "(SELECT count(*) FROM label_tasks t WHERE t.tenant = q.tenant AND t.queue = q.name AND t.state = 'flagged') "
        "FROM label_queues q WHERE q.tenant = $1 ORDER BY q.name LIMIT 1000",
        {tenant.str()}, [&](const Row& row) {
          out.push_back({label_rows::queue_of(row), row.integer(10), row.integer(11), row.integer(12)});
          return true;
        });
  }));
  return out;
}

Result<int64_t> LabelQueues::add_tasks(const TenantId& tenant, const std::string& name, std::vector<LabelTask> tasks, int64_t now_us) {
  if (tasks.size() > 1000) return label_rows::bad("at most 1,000 tasks at once");
  FS_TRY(const LabelQueue queue, this->queue(tenant, name));
  const size_t n_answers = queue.kind == "pairwise" ? 2 : 1;
  for (LabelTask& task : tasks) {
    const Json* const prompt = task.payload.find("prompt");
    const Json* const answers = task.payload.find("answers");
    if (prompt == nullptr || !prompt->is_string()) return label_rows::bad("task: no prompt");
    if (answers == nullptr || !answers->is_array() || answers->as_array().size() != n_answers) return label_rows::bad(fmt::format("task: expected {} answers for kind {}", n_answers, queue.kind));
    for (const Json& answer : answers->as_array()) {
      if (!answer.is_string()) return label_rows::bad("task: an answer is not a text");
    }
    FS_TRY_VOID(check_text("task", task.payload.dump(), kPayloadBytes));
    if (!task.gold.empty()) FS_TRY_VOID(check_label(queue, label_rows::parsed(task.gold)));
    if (!(task.disagreement >= 0 && task.disagreement <= 1)) return label_rows::bad("task: disagreement: expected 0 to 1");
    if (task.id.empty()) task.id = LabelTaskId::fresh();
    const bool twice = static_cast<int64_t>(stable_hash_of("double " + task.id.str()) % 100) < queue.double_percent;
    task.n_wanted = std::clamp<int64_t>(twice ? std::max<int64_t>(task.n_wanted, 2) : task.n_wanted, 1, 1000);
  }
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    for (const LabelTask& task : tasks) {
      FS_TRY_VOID(transaction.execute(
          "INSERT INTO label_tasks(id, tenant, queue, payload, disagreement_ppm, gold, n_wanted, n_done, state, user_id, variant, prompt_digest, feedback, asked_us, created_us) "
          "VALUES($1, $2, $3, $4, $5, $6, $7, 0, 'open', $8, $9, $10, $11, $12, $13) ON CONFLICT(id) DO NOTHING",
          {task.id.str(), tenant.str(), name, task.payload.dump(), int64_t{std::lround(task.disagreement * 1e6)}, task.gold, task.n_wanted, task.user, task.variant, task.prompt_digest, task.feedback, task.asked_us, now_us}));
    }
    return {};
  });
  FS_TRY_VOID(written);
  return static_cast<int64_t>(tasks.size());
}

Result<std::optional<Assignment>> LabelQueues::next(const TenantId& tenant, const std::string& name, const std::string& labeller, int64_t now_us) {
  FS_TRY_VOID(check_text("labeller", labeller, 128));
  std::optional<Assignment> out;
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    out.reset();
    FS_TRY(const LabelQueue queue, label_rows::find_queue(transaction, tenant, name));
    FS_TRY_VOID(transaction.execute("DELETE FROM label_leases WHERE tenant = $1 AND until_us <= $2", {tenant.str(), now_us}));
    FS_TRY(std::optional<Row> row, transaction.first("SELECT l.task, l.until_us FROM label_leases l JOIN label_tasks t ON t.id = l.task WHERE l.tenant = $1 AND l.labeller = $2 AND t.queue = $3 AND t.state = 'open' LIMIT 1",
                                                     {tenant.str(), labeller, name}));
    LabelTaskId id;
    int64_t until = 0;
    if (row) {
      id = LabelTaskId::parse(row->text(0)).value_or(LabelTaskId());
      until = row->integer(1);
    } else {
      FS_TRY(row, transaction.first(
          "SELECT t.id FROM label_tasks t WHERE t.tenant = $1 AND t.queue = $2 AND t.state = 'open' "
          "AND NOT EXISTS(SELECT 1 FROM labels b WHERE b.tenant = $1 AND b.task = t.id AND b.labeller = $3) "
          "AND t.n_done + (SELECT count(*) FROM label_leases l WHERE l.tenant = $1 AND l.task = t.id) < t.n_wanted "
          "ORDER BY t.disagreement_ppm DESC, t.id LIMIT 1",
          {tenant.str(), name, labeller}));
      if (!row) return {};
      id = LabelTaskId::parse(row->text(0)).value_or(LabelTaskId());
      until = now_us + queue.lease_s * 1'000'000;
      FS_TRY_VOID(transaction.execute("INSERT INTO label_leases(tenant, task, labeller, since_us, until_us) VALUES($1, $2, $3, $4, $5)", {tenant.str(), id.str(), labeller, now_us, until}));
    }
    FS_TRY(LabelTask task, find_task(transaction, tenant, id));
    out = Assignment{std::move(task), until, queue.kind == "pairwise" && sides_swapped(id, labeller)};
    return {};
  });
  FS_TRY_VOID(written);
  return out;
}

Result<LabelQueues::Submitted> LabelQueues::submit(const TenantId& tenant, const LabelTaskId& id, const std::string& labeller, const Json& value, int64_t now_us) {
  Submitted out;
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const LabelTask task, find_task(transaction, tenant, id));
    FS_TRY(const LabelQueue queue, label_rows::find_queue(transaction, tenant, task.queue));
    FS_TRY_VOID(check_label(queue, value));
    FS_TRY(const std::optional<Row> lease, transaction.first("SELECT since_us, until_us FROM label_leases WHERE tenant = $1 AND task = $2 AND labeller = $3", {tenant.str(), id.str(), labeller}));
    FS_TRY(const std::optional<Row> before, transaction.first("SELECT started_us FROM labels WHERE tenant = $1 AND task = $2 AND labeller = $3 AND skipped = 0", {tenant.str(), id.str(), labeller}));
    const bool skipped = label_rows::is_true(value, "skip");
    if ((!lease || lease->integer(1) <= now_us) && !before) {
      // The lease ended. Whoever took the place meanwhile keeps it; otherwise the work is not thrown away.
      FS_TRY(const std::optional<Row> others, transaction.first("SELECT count(*) FROM label_leases WHERE tenant = $1 AND task = $2 AND until_us > $3", {tenant.str(), id.str(), now_us}));
      if (task.n_done + others->integer(0) >= task.n_wanted || task.state != "open") return Error{ErrorCode::kFailedPrecondition, "your time for this task is over and somebody else has it; take the next one"};
    }
    const int64_t started = lease ? lease->integer(0) : before ? before->integer(0) : now_us;
    const Json* const flag = value.find("flag");
    FS_TRY_VOID(transaction.execute(
        "INSERT INTO labels(tenant, task, labeller, queue, value, skipped, flagged, started_us, created_us) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9) "
        "ON CONFLICT(task, labeller) DO UPDATE SET value = excluded.value, skipped = excluded.skipped, flagged = excluded.flagged, created_us = excluded.created_us",
        {tenant.str(), id.str(), labeller, task.queue, value.dump(), int64_t{skipped}, int64_t{flag != nullptr && flag->is_string() && !flag->as_string().empty() && !skipped}, started, now_us}));
    FS_TRY_VOID(transaction.execute("DELETE FROM label_leases WHERE tenant = $1 AND task = $2 AND labeller = $3", {tenant.str(), id.str(), labeller}));
    FS_TRY_VOID(recount(transaction, tenant, id));
    out = {};
    if (!task.gold.empty() && !skipped) {
      out.gold = task.gold;
      out.right = label_rows::gold_right(task.gold, value);
    }
    return {};
  });
  FS_TRY_VOID(written);
  return out;
}

Result<LabelTaskId> LabelQueues::undo(const TenantId& tenant, const std::string& queue, const std::string& labeller, int64_t now_us) {
  LabelTaskId out;
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const LabelQueue found, label_rows::find_queue(transaction, tenant, queue));
    FS_TRY(const std::optional<Row> row, transaction.first("SELECT task, started_us FROM labels WHERE tenant = $1 AND queue = $2 AND labeller = $3 AND created_us > $4 ORDER BY created_us DESC LIMIT 1",
                                                           {tenant.str(), queue, labeller, now_us - kUndoUs}));
    if (!row) return Error{ErrorCode::kNotFound, "nothing to undo within the last ten minutes"};
    out = LabelTaskId::parse(row->text(0)).value_or(LabelTaskId());
    // Another task that is held meanwhile goes back.
    FS_TRY_VOID(transaction.execute("DELETE FROM label_leases WHERE tenant = $1 AND labeller = $2", {tenant.str(), labeller}));
    FS_TRY_VOID(transaction.execute("DELETE FROM labels WHERE tenant = $1 AND task = $2 AND labeller = $3", {tenant.str(), out.str(), labeller}));
    FS_TRY_VOID(recount(transaction, tenant, out));
    // Of a skipped task the place may be somebody's by now.
    FS_TRY(const std::optional<Row> room, transaction.first("SELECT 1 FROM label_tasks t WHERE t.tenant = $1 AND t.id = $2 AND t.state = 'open' "
                                                            "AND t.n_done + (SELECT count(*) FROM label_leases l WHERE l.tenant = $1 AND l.task = t.id AND l.until_us > $3) < t.n_wanted",
                                                            {tenant.str(), out.str(), now_us}));
    if (room) {
      FS_TRY_VOID(transaction.execute("INSERT INTO label_leases(tenant, task, labeller, since_us, until_us) VALUES($1, $2, $3, $4, $5)",
                                      {tenant.str(), out.str(), labeller, row->integer(1), now_us + found.lease_s * 1'000'000}));
    }
    return {};
  });
  FS_TRY_VOID(written);
  return out;
}

Result<int64_t> LabelQueues::erase_user(const TenantId& tenant, const std::string& user) {
  if (user.empty()) return label_rows::bad("no user named");
  int64_t n = 0;
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    FS_TRY_VOID(transaction.execute("DELETE FROM labels WHERE tenant = $1 AND task IN (SELECT id FROM label_tasks WHERE tenant = $1 AND user_id = $2)", {tenant.str(), user}));
    FS_TRY_VOID(transaction.execute("DELETE FROM label_leases WHERE tenant = $1 AND task IN (SELECT id FROM label_tasks WHERE tenant = $1 AND user_id = $2)", {tenant.str(), user}));
    FS_TRY(n, transaction.execute("DELETE FROM label_tasks WHERE tenant = $1 AND user_id = $2", {tenant.str(), user}));
    return {};
  });
  FS_TRY_VOID(written);
  return n;
}

}  // namespace firesteel
