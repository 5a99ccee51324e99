// What a queue's labels say together: judgements task by task, agreement, and how its labellers work.
#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "labels/label_queue.h"
#include "labels/label_rows.h"

namespace firesteel {
namespace {

// The number that agreement compares: the choice, else a number for the whole of tags or scores.
std::optional<double> category_of(const std::string& kind, const Json& value, std::map<std::string, double>* words) {
  if (const Json* const choice = value.find("choice"); choice != nullptr && choice->is_int()) return static_cast<double>(choice->as_int());
  const Json* const member = kind == "tags" ? value.find("tags") : kind == "rubric" ? value.find("scores") : nullptr;
  if (member == nullptr) return std::nullopt;
  return words->emplace(member->dump(), static_cast<double>(words->size())).first->second;
}

}  // namespace

Result<std::vector<LabelQueues::Judged>> LabelQueues::judged(const TenantId& tenant, const std::string& queue) {
  std::vector<Judged> out;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    out.clear();
    FS_TRY([[maybe_unused]] const LabelQueue found, label_rows::find_queue(reader, tenant, queue));
    return reader.each(
        "SELECT t.id, t.tenant, t.queue, t.payload, t.disagreement_ppm, t.gold, t.n_wanted, t.n_done, t.state, t.user_id, t.variant, t.prompt_digest, t.feedback, t.asked_us, t.created_us, "
        "b.labeller, b.value, b.started_us, b.created_us FROM label_tasks t JOIN labels b ON b.task = t.id AND b.tenant = t.tenant "
        "WHERE t.tenant = $1 AND t.queue = $2 AND t.gold = '' AND b.skipped = 0 ORDER BY t.id, b.created_us, b.labeller",
        {tenant.str(), queue}, [&](const Row& row) {
          LabelTask task = label_rows::task_of(row);
          if (out.empty() || out.back().task.id != task.id) out.push_back({std::move(task), {}});
          out.back().labels.push_back({out.back().task.id, row.text(15), label_rows::parsed(row.text(16)), row.integer(17), row.integer(18)});
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
                         all.push_back({row.text(0), row.text(1), row.text(2), label_rows::parsed(row.text(3)), static_cast<double>(std::max<int64_t>(row.integer(5) - row.integer(4), 0)) / 1e6});
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
      stats.n_gold_right += label_rows::gold_right(given.gold, given.value) ? 1 : 0;
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

}  // namespace firesteel
