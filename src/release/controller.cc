#include "release/controller.h"

#include <algorithm>
#include <chrono>

#include "eval/grader.h"
#include "release/monitor_metric.h"
#include "release/share.h"
#include "tenants/crypto.h"

namespace firesteel {
namespace {

constexpr int64_t kHourUs = int64_t{3600} * 1'000'000;

struct Sum {
  std::string metric;
  int64_t value;
};

Status add_hours(Transaction& t, const std::string& variant, const std::string& surface, const std::string& tenant, int64_t hour, const std::vector<Sum>& sums) {
  for (const Sum& sum : sums) {
    if (sum.value == 0) continue;
    FS_TRY_VOID(t.execute("INSERT INTO variant_hours(variant, surface, tenant, hour, metric, value) VALUES($1, $2, $3, $4, $5, $6) "
                          "ON CONFLICT(variant, surface, tenant, hour, metric) DO UPDATE SET value = variant_hours.value + excluded.value",
                          {variant, surface, tenant, hour, sum.metric, sum.value}));
  }
  return {};
}

Status add_count(Transaction& t, const std::string& rollout, const std::string& surface, int64_t arm, const std::string& metric, int64_t n, int64_t n_bad) {
  FS_TRY_VOID(t.execute("INSERT INTO rollout_counts(rollout, surface, arm, metric, n, n_bad) VALUES($1, $2, $3, $4, $5, $6) "
                        "ON CONFLICT(rollout, surface, arm, metric) DO UPDATE SET n = rollout_counts.n + excluded.n, n_bad = rollout_counts.n_bad + excluded.n_bad",
                        {rollout, surface, arm, metric, n, n_bad}));
  return {};
}

// Of answers; a slow one is one whose first token came late or not at all.
Status add_answer(Transaction& t, const Assignment& assignment, int64_t arm, const AnswerFacts& facts) {
  const bool slow = !facts.error && facts.first_token_us > assignment.slow_ms * 1000;
  FS_TRY_VOID(add_count(t, assignment.rollout, assignment.surface, arm, "answers", 1, 0));
  FS_TRY_VOID(add_count(t, assignment.rollout, assignment.surface, arm, "errors", 1, facts.error ? 1 : 0));
  if (facts.error) return {};
  FS_TRY_VOID(add_count(t, assignment.rollout, assignment.surface, arm, "refusals", 1, facts.refusal ? 1 : 0));
  FS_TRY_VOID(add_count(t, assignment.rollout, assignment.surface, arm, "slow", 1, slow ? 1 : 0));
  return add_count(t, assignment.rollout, assignment.surface, arm, "cut", 1, facts.cut ? 1 : 0);
}

Status add_facts(Transaction& t, const std::string& variant, const std::string& surface, const std::string& tenant, int64_t hour, const AnswerFacts& facts) {
  FS_TRY_VOID(add_hours(t, variant, surface, tenant, hour,
                        {{"answers", 1}, {"errors", facts.error ? 1 : 0}, {"refusals", facts.refusal ? 1 : 0}, {"cut", facts.cut ? 1 : 0},
                         {"prompt_tokens", facts.prompt_tokens}, {"generated_tokens", facts.generated_tokens}, {"first_token_us", facts.first_token_us},
                         {"total_us", facts.total_us}}));
  std::vector<Sum> buckets = {{"out_" + std::to_string(length_bucket(facts.generated_tokens)), 1}, {"in_" + std::to_string(length_bucket(facts.prompt_tokens)), 1}};
  if (facts.input_bucket >= 0) buckets.push_back({"topic_" + std::to_string(facts.input_bucket), 1});
  if (!facts.error && facts.first_token_us > 0) buckets.push_back({"ft_" + std::to_string(time_bucket(facts.first_token_us)), 1});
  if (!facts.error) buckets.push_back({"tt_" + std::to_string(time_bucket(facts.total_us)), 1});
  if (facts.agreement) {
    buckets.push_back({"votes", 1});
    buckets.push_back({"agreement_ppm", static_cast<int64_t>(std::clamp(*facts.agreement, 0.0, 1.0) * 1e6)});
  }
  return add_hours(t, variant, surface, tenant, hour, buckets);
}

}  // namespace

bool answer_is_refusal(std::string_view text) { return is_refusal(text); }

struct ReleaseController::Name {
  std::map<std::string, std::string, std::less<>> aliases;                 // to digests
  struct One {
    int64_t number = 0;
    std::shared_ptr<const VariantSpec> spec;
  };
  std::map<std::string, One> variants;                                     // by digest
  std::optional<RolloutRecord> rollout;
};

struct ReleaseController::Snapshot {
  std::string stamp;                                                       // changes with every change of what it shows
  std::map<std::string, Name, std::less<>> names;
};

ReleaseController::ReleaseController(Store& store, Tenants& tenants, const ServerSecret& secret, std::function<void(const RolloutRecord&, const RolloutEvent&)> on_event,
                                     const Clock& wall)
    : store_(store), registry_(store, tenants, wall), key_(secret.derive(ServerSecret::Purpose::kCanary)), on_event_(std::move(on_event)), wall_(wall),
      snapshot_(std::make_shared<Snapshot>()) {}

ReleaseController::~ReleaseController() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  stopped_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ReleaseController::start() {
  static_cast<void>(tick(false));
  thread_ = std::thread([this] { loop(); });
}

void ReleaseController::loop() {
  int64_t advanced_us = system_clock().now_us();
  while (true) {
    {
      MutexLock lock(mutex_);
      if (!stopped_) static_cast<void>(stopped_changed_.wait_for(mutex_, std::chrono::microseconds(kRefreshUs)));
      if (stopped_) return;
    }
    const int64_t now_us = system_clock().now_us();
    const bool and_advance = now_us - advanced_us >= kAdvanceUs;
    if (and_advance) advanced_us = now_us;
    static_cast<void>(tick(and_advance));  // a store that is away comes back; until then the last snapshot serves
  }
}

Result<std::shared_ptr<const ReleaseController::Snapshot>> ReleaseController::load() {
  auto fresh = std::make_shared<Snapshot>();
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    FS_TRY(const std::optional<Row> row, reader.first("SELECT (SELECT count(*) FROM variants), (SELECT CAST(coalesce(sum(version), 0) AS BIGINT) FROM release_aliases), "
                                                      "(SELECT CAST(coalesce(sum(version), 0) AS BIGINT) FROM rollouts)", {}));
    for (size_t i = 0; i < 3; ++i) fresh->stamp += std::to_string(row->integer(i)) + " ";
    return {};
  }));
  const std::shared_ptr<const Snapshot> old = snapshot();
  if (old->stamp == fresh->stamp) return old;
  FS_TRY(const std::vector<Variant> variants, registry_.list(""));
  for (const Variant& variant : variants) {
    fresh->names[variant.name].variants[variant.digest] = {variant.number, std::make_shared<const VariantSpec>(variant.spec)};
  }
  for (auto& [name, entry] : fresh->names) {
    FS_TRY(const std::vector<AliasRecord> aliases, registry_.aliases(name));
    for (const AliasRecord& alias : aliases) entry.aliases[alias.alias] = alias.digest;
  }
  FS_TRY(const std::vector<RolloutRecord> running, registry_.rollouts("", /*only_running=*/true, 1000));
  for (const RolloutRecord& rollout : running) {
    const auto entry = fresh->names.find(rollout.name);
    if (entry != fresh->names.end()) entry->second.rollout = rollout;
  }
  return std::shared_ptr<const Snapshot>(std::move(fresh));
}

Status ReleaseController::tick(bool and_advance) {
  FS_TRY(std::shared_ptr<const Snapshot> now, load());
  bool moved = false;
  if (and_advance) {
    for (const auto& [name, entry] : now->names) {
      if (!entry.rollout) continue;
      const Result<RolloutRecord> after = registry_.advance_stored(entry.rollout->id, {"controller"});
      if (!after.ok() || after->version == entry.rollout->version) continue;  // another replica may have been first
      moved = true;
      if (!on_event_) continue;
      const Result<std::vector<RolloutEvent>> events = registry_.events(after->id, 20);
      if (!events.ok()) continue;
      for (auto event = events->rbegin(); event != events->rend(); ++event) {
        if (event->at_us >= after->updated_us) on_event_(*after, *event);
      }
    }
  }
  if (moved) {
    FS_TRY(now, load());
  }
  MutexLock lock(mutex_);
  snapshot_ = std::move(now);
  return {};
}

std::shared_ptr<const ReleaseController::Snapshot> ReleaseController::snapshot() const {
  MutexLock lock(mutex_);
  return snapshot_;
}

bool ReleaseController::knows(std::string_view model) const { return assign(model, {}, "", "").has_value(); }

std::vector<std::string> ReleaseController::names() const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : snapshot()->names) {
    names.push_back(name);
    for (const auto& [alias, digest] : entry.aliases) names.push_back(name + "@" + alias);
  }
  return names;
}

std::optional<Assignment> ReleaseController::assign(std::string_view model, const std::vector<std::string>& surfaces, std::string_view tenant, std::string_view user) const {
  const std::shared_ptr<const Snapshot> now = snapshot();
  const size_t at = model.find('@');
  const auto entry = now->names.find(model.substr(0, at));
  if (entry == now->names.end()) return std::nullopt;
  const Name& name = entry->second;
  const std::string_view which = at == std::string_view::npos ? std::string_view("champion") : model.substr(at + 1);
  Assignment out;
  out.name = entry->first;
  if (!surfaces.empty()) out.surface = surfaces.back();
  const auto take = [&](const std::string& digest) {
    const auto variant = name.variants.find(digest);
    if (variant == name.variants.end()) return false;
    out.digest = digest;
    out.number = variant->second.number;
    out.spec = variant->second.spec;
    return true;
  };
  const auto alias = name.aliases.find(which);
  if (alias == name.aliases.end()) {
    for (const auto& [digest, variant] : name.variants) {
      if (which == std::to_string(variant.number) || (which.size() >= 8 && digest.starts_with(which))) return take(digest) ? std::optional(out) : std::nullopt;
    }
    return std::nullopt;
  }
  if (!take(alias->second)) return std::nullopt;
  if (which != "champion" || !name.rollout || name.rollout->champion != out.digest) return out;

  const RolloutRecord& rollout = *name.rollout;
  for (const std::string& surface : surfaces) {
    const auto plan = std::find_if(rollout.plan.surfaces.begin(), rollout.plan.surfaces.end(), [&](const SurfacePlan& s) { return s.name == surface; });
    if (plan == rollout.plan.surfaces.end()) continue;
    const auto index = static_cast<size_t>(plan - rollout.plan.surfaces.begin());
    const SurfacePhase phase = rollout.state.surfaces[index].phase;
    out.surface = surface;
    out.slow_ms = rollout.plan.slow_ms;
    if (rollout.state.status != RolloutStatus::kRunning && rollout.state.status != RolloutStatus::kReady) return out;
    if (phase != SurfacePhase::kShadow && phase != SurfacePhase::kCanary && phase != SurfacePhase::kPassed) return out;
    out.rollout = rollout.id;
    const std::string person = std::string(tenant) + "/" + std::string(user);
    out.unit = hex(keyed_hash(key_, "unit " + rollout.id + " " + person)).substr(0, 32);
    out.shadowed = phase == SurfacePhase::kShadow;
    const auto candidate = name.variants.find(rollout.candidate);
    if (candidate == name.variants.end()) return out;
    if (out.shadowed) {
      out.shadow_digest = rollout.candidate;
      out.shadow = candidate->second.spec;
    } else if (in_canary(key_, rollout.id, person, candidate_share(rollout.plan, rollout.state, index))) {
      out.candidate = take(rollout.candidate);
    }
    return out;
  }
  return out;
}

void ReleaseController::record(const Assignment& assignment, const std::string& tenant, const std::string& request_id, const std::string& message, const AnswerFacts& facts) {
  const int64_t now_us = wall_.now_us();
  store_.submit([assignment, tenant, request_id, message, facts, now_us](Transaction& t) -> Status {
    FS_TRY(const int64_t n, t.execute("INSERT INTO answered_by(tenant, request_id, message, variant, rollout, surface, unit, candidate, rated, at_us) "
                                      "VALUES($1, $2, $3, $4, $5, $6, $7, $8, 0, $9) ON CONFLICT(tenant, request_id) DO NOTHING",
                                      {tenant, request_id, message, assignment.digest, assignment.rollout, assignment.surface, assignment.unit,
                                       int64_t{assignment.candidate ? 1 : 0}, now_us}));
    if (n == 0) return {};  // the same answer again
    FS_TRY_VOID(add_facts(t, assignment.digest, assignment.surface, tenant, now_us / kHourUs, facts));
    if (assignment.rollout.empty()) return {};
    return add_answer(t, assignment, assignment.shadowed ? 2 : assignment.candidate ? 1 : 0, facts);
  }, [](Status) {});
}

void ReleaseController::record_shadow(const Assignment& assignment, const std::string&, const AnswerFacts& facts) {
  if (assignment.rollout.empty()) return;
  store_.submit([assignment, facts](Transaction& t) { return add_answer(t, assignment, 3, facts); }, [](Status) {});
}

void ReleaseController::record_sample(const Assignment& assignment, const std::string& tenant, const SampleFacts& facts) {
  std::vector<Sum> sums;
  if (!facts.embedding.empty()) {
    const auto bins = embedding_bins(facts.embedding);
    for (size_t i = 0; i < bins.size(); ++i) sums.push_back({"emb" + std::to_string(i) + "_" + std::to_string(bins[i]), 1});
  }
  if (facts.judged) {
    sums.push_back({"judged", 1});
    sums.push_back({"judge_ppm", static_cast<int64_t>(std::clamp(*facts.judged, 0.0, 1.0) * 1e6)});
  }
  if (sums.empty()) return;
  store_.submit([assignment, tenant, sums = std::move(sums), hour = wall_.now_us() / kHourUs](Transaction& t) { return add_hours(t, assignment.digest, assignment.surface, tenant, hour, sums); }, [](Status) {});
}

void ReleaseController::rate(const std::string& tenant, const std::string& request_id, const std::string& message, int thumb) {
  if (thumb == 0 || (request_id.empty() && message.empty())) return;
  const int64_t now_us = wall_.now_us();
  store_.submit([tenant, request_id, message, thumb, now_us](Transaction& t) -> Status {
    FS_TRY(const std::optional<Row> row,
           request_id.empty() ? t.first("SELECT variant, rollout, surface, unit, candidate, rated, request_id FROM answered_by WHERE tenant = $1 AND message = $2 LIMIT 1", {tenant, message})
                              : t.first("SELECT variant, rollout, surface, unit, candidate, rated, request_id FROM answered_by WHERE tenant = $1 AND request_id = $2", {tenant, request_id}));
    if (!row || row->integer(5) != 0) return {};
    const std::string rollout = row->text(1), surface = row->text(2);
    FS_TRY_VOID(t.execute("UPDATE answered_by SET rated = 1 WHERE tenant = $1 AND request_id = $2", {tenant, row->text(6)}));
    FS_TRY_VOID(add_hours(t, row->text(0), surface, tenant, now_us / kHourUs, {{"thumbs_up", thumb > 0 ? 1 : 0}, {"thumbs_down", thumb < 0 ? 1 : 0}}));
    if (rollout.empty()) return {};
    FS_TRY(const int64_t n, t.execute("INSERT INTO rollout_units(rollout, unit) VALUES($1, $2) ON CONFLICT(rollout, unit) DO NOTHING", {rollout, row->text(3)}));
    if (n == 0) return {};  // counted already
    return add_count(t, rollout, surface, row->integer(4) != 0 ? 1 : 0, "thumbs_down", 1, thumb < 0 ? 1 : 0);
  }, [](Status) {});
}

Status ReleaseController::flush() {
  return store_.write([](Transaction&) -> Status { return {}; });
}

}  // namespace firesteel
