#include "labels/label_rows.h"

#include <optional>
#include <utility>

namespace firesteel::label_rows {

Error bad(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; }
Error no_queue(const std::string& name) { return Error{ErrorCode::kNotFound, "no label queue '" + name.substr(0, 64) + "'"}; }

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

bool is_true(const Json& value, std::string_view name) {
  const Json* const member = value.find(name);
  return member != nullptr && member->is_bool() && member->as_bool();
}

bool gold_right(const std::string& gold, const Json& value) {
  const Json right = parsed(gold);
  const Json* const wanted = right.find("choice");
  const Json* const given = value.find("choice");
  if (wanted != nullptr && given != nullptr && wanted->is_int() && given->is_int()) {
    const auto side = [](int64_t choice) { return choice < 3 ? -1 : choice > 3 ? 1 : 0; };
    return side(wanted->as_int()) == side(given->as_int());
  }
  for (const std::string_view name : {"tags", "scores", "flag"}) {
    const Json* const member = right.find(name);
    if (member != nullptr) return value.find(name) != nullptr && *value.find(name) == *member;
  }
  return false;
}

}  // namespace firesteel::label_rows
