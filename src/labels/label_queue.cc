#include "labels/label_queue.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr size_t kPayloadBytes = 256u << 10;
constexpr size_t kLabelBytes = 64u << 10;
constexpr int64_t kUndoUs = INT64_C(600'000'000);

uint64_t stable_hash_of(std::string_view text) {  // FNV-1a with a final mix
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  hash ^= hash >> 32;
  return hash * 0x9e3779b97f4a7c15u >> 16;
}

Error bad(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; }
Error no_queue(const std::string& name) { return Error{ErrorCode::kNotFound, "no label queue '" + name.substr(0, 64) + "'"}; }

Status check_text(const char* what, const std::string& text, size_t max) {
  if (text.size() > max) return bad(fmt::format("{}: {} bytes, at most {}", what, text.size(), max));
  if (!is_valid_utf8(text) || text.find('\0') != std::string::npos) return bad(std::string(what) + ": not UTF-8 text without null characters");
  return {};
}

Json parsed(const std::string& text) {
  auto json = Json::parse(text.empty() ? "null" : text);
  return json.ok() ? std::move(json).value() : Json();
}

LabelQueue queue_of(const Row& row) {
  LabelQueue out;
  out.tenant = TenantId::parse(row.text(0)).value_or(TenantId());
  out.name = row.text(1);
  out.kind = row.text(2);
  out.title = row.text(3);
  out.guideline = row.text(4);
  out.rubric = parsed(row.text(5));
  out.tags = parsed(row.text(6));
  out.double_percent = row.integer(7);
  out.lease_s = row.integer(8);
  out.created_us = row.integer(9);
  return out;
}

LabelTask task_of(const Row& row) {
  LabelTask out;
  out.id = LabelTaskId::parse(row.text(0)).value_or(LabelTaskId());
  out.tenant = TenantId::parse(row.text(1)).value_or(TenantId());
  out.queue = row.text(2);
  out.payload = parsed(row.text(3));
  out.disagreement = static_cast<double>(row.integer(4)) / 1e6;
  out.gold = row.text(5);
  out.n_wanted = row.integer(6);
  out.n_done = row.integer(7);
  out.state = row.text(8);
  out.user = row.text(9);
  out.variant = row.text(10);
  out.prompt_digest = row.text(11);
  out.feedback = row.text(12);
  out.asked_us = row.integer(13);
  out.created_us = row.integer(14);
  return out;
}

Result<LabelQueue> find_queue(Reader& reader, const TenantId& tenant, const std::string& name) {
  FS_TRY(const std::optional<Row> row, reader.first(
      "SELECT tenant, name, kind, title, guideline, rubric, tags, double_percent, lease_s, created_us FROM label_queues WHERE tenant = $1 AND name = $2", {tenant.str(), name}));
  if (!row) return no_queue(name);
  return queue_of(*row);
}

Result<LabelTask> find_task(Reader& reader, const TenantId& tenant, const LabelTaskId& id) {
  FS_TRY(const std::optional<Row> row, reader.first(
      "SELECT id, tenant, queue, payload, disagreement_ppm, gold, n_wanted, n_done, state, user_id, variant, prompt_digest, feedback, asked_us, created_us FROM label_tasks WHERE tenant = $1 AND id = $2",
      {tenant.str(), id.str()}));
  if (!row) return Error{ErrorCode::kNotFound, "no such label task"};
  return task_of(*row);
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

bool is_true(const Json& value, std::string_view name) {
  const Json* const member = value.find(name);
  return member != nullptr && member->is_bool() && member->as_bool();
}

// The number that agreement compares: the choice, else a number for the whole of tags or scores.
std::optional<double> category_of(const std::string& kind, const Json& value, std::map<std::string, double>* words) {
  if (const Json* const choice = value.find("choice"); choice != nullptr && choice->is_int()) return static_cast<double>(choice->as_int());
  const Json* const member = kind == "tags" ? value.find("tags") : kind == "rubric" ? value.find("scores") : nullptr;
  if (member == nullptr) return std::nullopt;
  return words->emplace(member->dump(), static_cast<double>(words->size())).first->second;
}

bool gold_right(const std::string& gold, const Json& value) {
  const Json right = parsed(gold);
  const Json* const wanted = right.find("choice");
  const Json* const given = value.find("choice");
  if (wanted != nullptr && given != nullptr && wanted->is_int() && given->is_int()) {  // the side counts, not how much better
    const auto side = [](int64_t choice) { return choice < 3 ? -1 : choice > 3 ? 1 : 0; };
    return side(wanted->as_int()) == side(given->as_int());
  }
  for (const std::string_view name : {"tags", "scores", "flag"}) {
    const Json* const member = right.find(name);
    if (member != nullptr) return value.find(name) != nullptr && *value.find(name) == *member;
  }
  return false;
}

}  // namespace

bool sides_swapped(const LabelTaskId& task, const std::string& labeller) { return stable_hash_of(task.str() + " " + labeller) % 2 == 1; }

Status check_label(const LabelQueue& queue, const Json& value) {
  if (!value.is_object()) return bad("label: expected an object");
  if (value.dump().size() > kLabelBytes) return bad(fmt::format("label: more than {} bytes", kLabelBytes));
  bool says = false;
  for (const auto& [name, member] : value.as_object()) {
    if (name == "choice") {
      if (!member.is_int() || member.as_int() < 1 || member.as_int() > 5) return bad("choice: expected 1 to 5");
      if (queue.kind != "pairwise") return bad("choice: the queue is of kind " + queue.kind);
      says = true;
    } else if (name == "scores") {
      if (!member.is_object()) return bad("scores: expected an object");
      for (const auto& [side, scores] : member.as_object()) {
        if ((side != "A" && side != "B") || !scores.is_object()) return bad("scores: expected A and B with an object each");
        for (const auto& [criterion, score] : scores.as_object()) {
          const auto& list = queue.rubric.as_array();
          const bool known = std::any_of(list.begin(), list.end(), [&c = criterion](const Json& item) { return item.find("name") != nullptr && *item.find("name") == Json(c); });
          if (!known) return bad("scores: the rubric has no '" + criterion.substr(0, 64) + "'");
          if (!score.is_int() || score.as_int() < 0 || score.as_int() > 3) return bad("scores: expected 0 to 3");
        }
        says = says || !scores.as_object().empty();
      }
    } else if (name == "correction" || name == "flag") {
      if (!member.is_string()) return bad(name + ": expected a text");
      says = says || !member.as_string().empty();
    } else if (name == "tags") {
      if (!member.is_array()) return bad("tags: expected a list");
      for (const Json& tag : member.as_array()) {
        const auto& list = queue.tags.as_array();
        if (std::find(list.begin(), list.end(), tag) == list.end()) return bad("tags: the queue has no " + tag.dump().substr(0, 64));
      }
      says = true;
    } else if (name == "skip") {
      if (!member.is_bool()) return bad("skip: expected true");
      says = says || member.as_bool();
    } else {
      return bad("label: there is no member '" + name.substr(0, 64) + "'");
    }
  }
  if (!says) return bad("label: says nothing");
  const bool aside = is_true(value, "skip") || value.find("flag") != nullptr;
  if (queue.kind == "pairwise" && value.find("choice") == nullptr && !aside) return bad("choice: missing");
  return {};
}

Result<LabelQueue> LabelQueues::put_queue(LabelQueue queue, int64_t now_us) {
  const bool fits = !queue.name.empty() && queue.name.size() <= 64 && queue.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_") == std::string::npos;
  if (!fits) return bad("queue name: expected 1 to 64 of a-z 0-9 - _");
  if (queue.kind != "pairwise" && queue.kind != "rubric" && queue.kind != "correction" && queue.kind != "tags" && queue.kind != "flag") {
    return bad("kind: expected pairwise, rubric, correction, tags or flag");
  }
  FS_TRY_VOID(check_text("title", queue.title, 200));
  FS_TRY_VOID(check_text("guideline", queue.guideline, 16u << 10));
  if (!queue.rubric.is_array() || queue.rubric.as_array().size() > 10) return bad("rubric: expected at most ten criteria");
  for (const Json& item : queue.rubric.as_array()) {
    const Json* const name = item.find("name");
    if (name == nullptr || !name->is_string() || name->as_string().empty() || name->as_string().size() > 64) return bad("rubric: each criterion has a name of at most 64 bytes");
  }
  if (!queue.tags.is_array() || queue.tags.as_array().size() > 50) return bad("tags: expected at most fifty");
  for (const Json& tag : queue.tags.as_array()) {
    if (!tag.is_string() || tag.as_string().empty() || tag.as_string().size() > 64) return bad("tags: expected words of at most 64 bytes");
  }
  if (queue.double_percent < 0 || queue.double_percent > 100) return bad("double: expected 0 to 100 percent");
  if (queue.lease_s < 10 || queue.lease_s > 86'400) return bad("lease: expected 10 seconds to a day");
  if (queue.kind == "tags" && queue.tags.as_array().empty()) return bad("tags: a queue of this kind needs some");
  if (queue.kind == "rubric" && queue.rubric.as_array().empty()) return bad("rubric: a queue of this kind needs criteria");
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    const auto there = find_queue(transaction, queue.tenant, queue.name);
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
  Result<LabelQueue> found = no_queue(name);
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    found = find_queue(reader, tenant, name);
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
          out.push_back({queue_of(row), row.integer(10), row.integer(11), row.integer(12)});
          return true;
        });
  }));
  return out;
}

Result<int64_t> LabelQueues::add_tasks(const TenantId& tenant, const std::string& name, std::vector<LabelTask> tasks, int64_t now_us) {
  if (tasks.size() > 1000) return bad("at most 1,000 tasks at once");
  FS_TRY(const LabelQueue queue, this->queue(tenant, name));
  const size_t n_answers = queue.kind == "pairwise" ? 2 : 1;
  for (LabelTask& task : tasks) {
    const Json* const prompt = task.payload.find("prompt");
    const Json* const answers = task.payload.find("answers");
    if (prompt == nullptr || !prompt->is_string()) return bad("task: no prompt");
    if (answers == nullptr || !answers->is_array() || answers->as_array().size() != n_answers) return bad(fmt::format("task: expected {} answers for kind {}", n_answers, queue.kind));
    for (const Json& answer : answers->as_array()) {
      if (!answer.is_string()) return bad("task: an answer is not a text");
    }
    FS_TRY_VOID(check_text("task", task.payload.dump(), kPayloadBytes));
    if (!task.gold.empty()) FS_TRY_VOID(check_label(queue, parsed(task.gold)));
    if (!(task.disagreement >= 0 && task.disagreement <= 1)) return bad("task: disagreement: expected 0 to 1");
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
    FS_TRY(const LabelQueue queue, find_queue(transaction, tenant, name));
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
    FS_TRY(const LabelQueue queue, find_queue(transaction, tenant, task.queue));
    FS_TRY_VOID(check_label(queue, value));
    FS_TRY(const std::optional<Row> lease, transaction.first("SELECT since_us, until_us FROM label_leases WHERE tenant = $1 AND task = $2 AND labeller = $3", {tenant.str(), id.str(), labeller}));
    FS_TRY(const std::optional<Row> before, transaction.first("SELECT started_us FROM labels WHERE tenant = $1 AND task = $2 AND labeller = $3 AND skipped = 0", {tenant.str(), id.str(), labeller}));
    const bool skipped = is_true(value, "skip");
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
      out.right = gold_right(task.gold, value);
    }
    return {};
  });
  FS_TRY_VOID(written);
  return out;
}

Result<LabelTaskId> LabelQueues::undo(const TenantId& tenant, const std::string& queue, const std::string& labeller, int64_t now_us) {
  LabelTaskId out;
  const Status written = store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const LabelQueue found, find_queue(transaction, tenant, queue));
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

Result<std::vector<LabelQueues::Judged>> LabelQueues::judged(const TenantId& tenant, const std::string& queue) {
  std::vector<Judged> out;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    out.clear();
    FS_TRY([[maybe_unused]] const LabelQueue found, find_queue(reader, tenant, queue));
    return reader.each(
        "SELECT t.id, t.tenant, t.queue, t.payload, t.disagreement_ppm, t.gold, t.n_wanted, t.n_done, t.state, t.user_id, t.variant, t.prompt_digest, t.feedback, t.asked_us, t.created_us, "
        "b.labeller, b.value, b.started_us, b.created_us FROM label_tasks t JOIN labels b ON b.task = t.id AND b.tenant = t.tenant "
        "WHERE t.tenant = $1 AND t.queue = $2 AND t.gold = '' AND b.skipped = 0 ORDER BY t.id, b.created_us, b.labeller",
        {tenant.str(), queue}, [&](const Row& row) {
          LabelTask task = task_of(row);
          if (out.empty() || out.back().task.id != task.id) out.push_back({std::move(task), {}});
          out.back().labels.push_back({out.back().task.id, row.text(15), parsed(row.text(16)), row.integer(17), row.integer(18)});
          return true;
        });
  }));
  return out;
}

Result<QueueStats> LabelQueues::stats(const TenantId& tenant, const std::string& queue_name) {
  struct Given {
    std::string task, labeller, gold;
    Json value;
    double seconds = 0;
  };
  std::vector<Given> all;
  FS_TRY(const LabelQueue queue, this->queue(tenant, queue_name));
  FS_TRY_VOID(store_.read([&](Reader& reader) {
    all.clear();
    return reader.each("SELECT b.task, b.labeller, t.gold, b.value, b.started_us, b.created_us FROM labels b JOIN label_tasks t ON t.id = b.task AND t.tenant = b.tenant "
                       "WHERE b.tenant = $1 AND b.queue = $2 AND b.skipped = 0 ORDER BY b.task, b.labeller LIMIT 1000000",
                       {tenant.str(), queue_name}, [&](const Row& row) {
                         all.push_back({row.text(0), row.text(1), row.text(2), parsed(row.text(3)), static_cast<double>(std::max<int64_t>(row.integer(5) - row.integer(4), 0)) / 1e6});
                         return true;
                       });
  }));
  QueueStats out;
  std::map<std::string, LabellerStats> by_labeller;
  std::map<std::string, std::vector<double>> seconds;
  std::map<std::string, std::vector<std::pair<std::string, double>>> by_task;
  std::map<std::string, double> words;
  for (const Given& given : all) {
    LabellerStats& stats = by_labeller[given.labeller];
    stats.labeller = given.labeller;
    ++stats.n_labels;
    seconds[given.labeller].push_back(given.seconds);
    if (!given.gold.empty()) {
      ++stats.n_gold;
      stats.n_gold_right += gold_right(given.gold, given.value) ? 1 : 0;
    }
    if (const auto category = category_of(queue.kind, given.value, &words)) by_task[given.task].emplace_back(given.labeller, *category);
  }
  std::vector<UnitLabels> units;
  for (const auto& [task, labels] : by_task) {
    if (labels.size() < 2) continue;
    ++out.n_double;
    UnitLabels unit;
    for (const auto& [labeller, category] : labels) {
      unit.push_back(category);
      LabellerStats& stats = by_labeller[labeller];
      ++stats.n_shared;
      const bool differs = std::any_of(labels.begin(), labels.end(), [&, mine = category](const auto& other) { return other.second != mine; });
      stats.n_differs += differs ? 1 : 0;
    }
    units.push_back(std::move(unit));
  }
  const AlphaMetric metric = queue.kind == "pairwise" ? AlphaMetric::kOrdinal : AlphaMetric::kNominal;
  out.alpha = krippendorff_alpha(units, metric);
  if (out.alpha) out.interval = alpha_interval(units, metric, 1);
  std::vector<double> medians;
  for (auto& [labeller, stats] : by_labeller) {
    std::vector<double>& times = seconds[labeller];
    double sum = 0;
    for (const double time : times) sum += time;
    std::sort(times.begin(), times.end());
    stats.median_s = times[times.size() / 2];
    stats.per_hour = sum > 0 ? 3600 * static_cast<double>(times.size()) / sum : 0;
    medians.push_back(stats.median_s);
  }
  std::sort(medians.begin(), medians.end());
  for (auto& [labeller, stats] : by_labeller) {
    stats.too_fast = medians.size() > 1 && stats.n_labels >= 10 && stats.median_s < medians[medians.size() / 2] / 4;
    out.labellers.push_back(stats);
  }
  return out;
}

Result<int64_t> LabelQueues::erase_user(const TenantId& tenant, const std::string& user) {
  if (user.empty()) return bad("no user named");
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
