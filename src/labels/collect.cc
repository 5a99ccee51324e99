#include "labels/collect.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "digest/digest.h"

namespace firesteel {
namespace {

struct Said {
  std::string feedback, user, message, model, question, answer, correction, reason, ledger;
  int64_t thumb = 0, at_us = 0;
};

// A message's content is JSON: a text, or parts of which the texts count.
std::string plain_text(const std::string& content) {
  const auto json = Json::parse(content.empty() ? "\"\"" : content);
  if (!json.ok()) return {};
  if (json->is_string()) return json->as_string();
  std::string out;
  if (!json->is_array()) return out;
  for (const Json& part : json->as_array()) {
    const Json* const text = part.find("text");
    if (text != nullptr && text->is_string()) out += text->as_string();
  }
  return out;
}

Result<std::vector<Said>> read_said(Store& store, const TenantId& tenant, int64_t limit) {
  std::vector<Said> out;
  FS_TRY_VOID(store.read([&](Reader& reader) {
    out.clear();
    return reader.each(
        "SELECT f.id, f.user_id, m.id, m.model, p.content, m.content, f.correction, f.reason, f.thumb, f.created_us, coalesce(l.ledger, '') FROM feedback f "
        "JOIN messages m ON m.id = f.message AND m.tenant = f.tenant JOIN messages p ON p.id = m.parent AND p.tenant = f.tenant "
        "LEFT JOIN run_ledgers l ON l.message = m.id AND l.tenant = f.tenant WHERE f.tenant = $1 AND f.consent = 1 AND m.role = 'assistant' ORDER BY f.created_us DESC, f.id LIMIT $2",
        {tenant.str(), std::clamp<int64_t>(limit, 1, 100'000)}, [&](const Row& row) {
          Said said;
          said.feedback = row.text(0);
          said.user = row.text(1);
          said.message = row.text(2);
          said.model = row.text(3);
          said.question = plain_text(row.text(4));
          said.answer = plain_text(row.text(5));
          said.correction = row.text(6);
          said.reason = row.text(7);
          said.thumb = row.integer(8);
          said.at_us = row.integer(9);
          said.ledger = row.text(10);
          if (!said.question.empty() && !said.answer.empty()) out.push_back(std::move(said));
          return true;
        });
  }));
  return out;
}

struct Chosen {
  std::string id, user, message, model, question, chosen, rejected;
  bool tie = false;
  int64_t at_us = 0;
};

Result<std::vector<Chosen>> read_chosen(Store& store, const TenantId& tenant, int64_t limit) {
  std::vector<Chosen> out;
  FS_TRY_VOID(store.read([&](Reader& reader) {
    out.clear();
    return reader.each(
        "SELECT c.id, c.user_id, a.id, a.model, q.content, a.content, b.content, c.tie, c.created_us FROM answer_choices c JOIN messages a ON a.id = c.chosen AND a.tenant = c.tenant "
        "JOIN messages b ON b.id = c.rejected AND b.tenant = c.tenant JOIN messages q ON q.id = a.parent AND q.tenant = c.tenant WHERE c.tenant = $1 AND c.consent = 1 ORDER BY c.created_us DESC, c.id LIMIT $2",
        {tenant.str(), std::clamp<int64_t>(limit, 1, 100'000)}, [&](const Row& row) {
          Chosen one{row.text(0), row.text(1), row.text(2), row.text(3), plain_text(row.text(4)), plain_text(row.text(5)), plain_text(row.text(6)), row.integer(7) != 0, row.integer(8)};
          if (!one.question.empty() && !one.chosen.empty() && !one.rejected.empty() && one.chosen != one.rejected) out.push_back(std::move(one));
          return true;
        });
  }));
  return out;
}

LabelTaskId task_id(const std::string& message, const std::string& kind) {
  const std::string hex = sha256_hex(kind + " " + message);
  std::array<uint8_t, 16> bytes{};
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto digit = [&](size_t k) { return static_cast<uint8_t>(hex[k] <= '9' ? hex[k] - '0' : hex[k] - 'a' + 10); };
    bytes[i] = static_cast<uint8_t>(digit(2 * i) << 4 | digit(2 * i + 1));
  }
  return LabelTaskId::parse(std::string(LabelTaskTag::kPrefix) + base32_encode(bytes)).value_or(LabelTaskId());
}

// The last line that is not empty: where our answers stand.
std::string last_line(const std::string& text) {
  const size_t end = text.find_last_not_of(" \n\t");
  if (end == std::string::npos) return {};
  const size_t begin = text.rfind('\n', end);
  return text.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

struct Disagreement {
  std::string first, second, why;
  double how_much = 0;
};

// Of the lanes of a vote: the two largest groups of answers, one text of each.
bool disagreement_of(const std::string& ledger, Disagreement* out) {
  if (ledger.empty()) return false;
  const auto json = Json::parse(ledger);
  const Json* const lanes = json.ok() ? json->find("lanes") : nullptr;
  if (lanes == nullptr || !lanes->is_array()) return false;
  std::map<std::string, std::pair<size_t, std::string>> groups;  // last line: how many, one text
  size_t n = 0;
  for (const Json& lane : lanes->as_array()) {
    const Json* const role = lane.find("role");
    const Json* const state = lane.find("state");
    const Json* const text = lane.find("text");
    if (role == nullptr || state == nullptr || text == nullptr || !text->is_string() || !(*role == Json("sample")) || !(*state == Json("done"))) continue;
    auto& group = groups[last_line(text->as_string())];
    if (group.first++ == 0) group.second = text->as_string();
    ++n;
  }
  if (groups.size() < 2) return false;
  std::vector<std::pair<size_t, std::pair<std::string, std::string>>> ranked;
  for (const auto& [answer, group] : groups) ranked.push_back({group.first, {answer, group.second}});
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  out->first = ranked[0].second.second;
  out->second = ranked[1].second.second;
  out->how_much = 1 - static_cast<double>(ranked[0].first - ranked[1].first) / static_cast<double>(n);
  out->why = "lanes of one vote disagreed: " + ranked[0].second.first.substr(0, 80) + " (" + std::to_string(ranked[0].first) + " of " + std::to_string(n) + ") and " +
             ranked[1].second.first.substr(0, 80) + " (" + std::to_string(ranked[1].first) + " of " + std::to_string(n) + ")";
  return true;
}

// Of what a reader Said or Chosen: where it comes from.
template <typename Source>
LabelTask task_about(const Source& source, LabelTaskId id, const std::string& feedback) {
  LabelTask task;
  task.id = std::move(id);
  task.user = source.user;
  task.variant = source.model;
  task.prompt_digest = sha256_hex(source.question);
  task.feedback = feedback;
  task.asked_us = source.at_us;
  return task;
}

Json lineage(const TenantId& tenant, const Said& said, Json line) {
  line.set("tenant", tenant.str());
  if (!said.user.empty()) line.set("user", said.user);
  if (!said.model.empty()) line.set("variant", said.model);
  line.set("prompt_digest", sha256_hex(said.question));
  line.set("feedback", said.feedback);
  line.set("at", said.at_us);
  line.set("consent", true);
  return line;
}

}  // namespace

Result<std::vector<LabelTask>> collect_tasks(Store& store, const TenantId& tenant, const std::string& kind, int64_t limit) {
  FS_TRY(const std::vector<Said> all, read_said(store, tenant, limit));
  std::vector<LabelTask> out;
  for (const Said& said : all) {
    LabelTask task = task_about(said, task_id(said.message, kind), said.feedback);
    std::string why = said.thumb < 0 ? "thumb down" : said.thumb > 0 ? "thumb up" : "no thumb";
    if (!said.reason.empty()) why += ": " + said.reason.substr(0, 500);
    Json::Array answers;
    if (kind == "pairwise") {
      Disagreement vote;
      if (disagreement_of(said.ledger, &vote)) {
        answers = {vote.first, vote.second};
        task.disagreement = vote.how_much;
        why = vote.why;
      } else if (!said.correction.empty() && said.correction != said.answer) {
        answers = {said.answer, said.correction};
        task.disagreement = 0.5;
        why = "the reader wrote a correction";
      } else {
        continue;
      }
    } else {
      answers = {said.answer};
      Disagreement vote;
      const bool open_vote = disagreement_of(said.ledger, &vote);
      if (open_vote && said.thumb == 0) why = vote.why;
      task.disagreement = said.thumb < 0 ? 1 : open_vote ? vote.how_much : said.thumb == 0 ? 0.5 : 0;
    }
    task.payload = Json::Object{{"prompt", said.question}, {"answers", std::move(answers)}, {"why", why}};
    out.push_back(std::move(task));
  }
  if (kind != "pairwise") return out;
  FS_TRY(const std::vector<Chosen> chosen, read_chosen(store, tenant, limit));
  for (const Chosen& one : chosen) {
    LabelTask task = task_about(one, task_id(one.id, kind), one.id);
    task.disagreement = one.tie ? 1 : 0.3;   // a reader has decided already: a second opinion is worth less
    task.payload = Json::Object{{"prompt", one.question}, {"answers", Json::Array{one.chosen, one.rejected}}, {"why", one.tie ? "the reader found both about the same" : "the reader chose between two answers"}};
    out.push_back(std::move(task));
  }
  return out;
}

Result<std::string> export_feedback(Store& store, const TenantId& tenant, int64_t limit) {
  FS_TRY(const std::vector<Said> all, read_said(store, tenant, limit));
  std::string out;
  for (const Said& said : all) {
    Json line;
    if (!said.correction.empty() && said.correction != said.answer) {
      line = Json::Object{{"prompt", said.question}, {"chosen", said.correction}, {"rejected", said.answer}};
    } else if (said.thumb > 0) {
      line = Json::Object{{"messages", Json::Array{Json::Object{{"role", "user"}, {"content", said.question}}, Json::Object{{"role", "assistant"}, {"content", said.answer}}}}};
    } else {
      continue;
    }
    out += lineage(tenant, said, std::move(line)).dump() + "\n";
  }
  FS_TRY(const std::vector<Chosen> chosen, read_chosen(store, tenant, limit));
  for (const Chosen& one : chosen) {
    if (one.tie) continue;
    const Said said{.feedback = one.id, .user = one.user, .message = one.message, .model = one.model, .question = one.question, .answer = one.chosen, .correction = {}, .reason = {}, .ledger = {}, .at_us = one.at_us};
    out += lineage(tenant, said, Json::Object{{"prompt", one.question}, {"chosen", one.chosen}, {"rejected", one.rejected}}).dump() + "\n";
  }
  return out;
}

Result<int64_t> erase_feedback(Store& store, const TenantId& tenant, const std::string& user) {
  FS_TRY(const int64_t n_tasks, LabelQueues(store).erase_user(tenant, user));
  int64_t n = 0;
  FS_TRY_VOID(store.write([&](Transaction& transaction) -> Status {
    FS_TRY(const int64_t n_rated, transaction.execute("DELETE FROM feedback WHERE tenant = $1 AND user_id = $2", {tenant.str(), user}));
    FS_TRY(const int64_t n_chosen, transaction.execute("DELETE FROM answer_choices WHERE tenant = $1 AND user_id = $2", {tenant.str(), user}));
    n = n_rated + n_chosen;
    return {};
  }));
  return n + n_tasks;
}

}  // namespace firesteel
