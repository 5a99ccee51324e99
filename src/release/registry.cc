#include "release/registry.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "schema/ids.h"

namespace firesteel {
namespace {

Error corrupt(const std::string& what, const Error& error) { return Error{ErrorCode::kDataLoss, "registry: " + what + ": " + error.message}; }

Result<Variant> variant_of(const Row& row) {
  Variant variant;
  variant.name = row.text(0);
  variant.number = row.integer(1);
  variant.digest = row.text(2);
  const auto json = Json::parse(row.text(3));
  if (!json.ok()) return corrupt("variant " + variant.digest, json.error());
  auto spec = variant_from_json(*json, "variant");
  if (!spec.ok()) return corrupt("variant " + variant.digest, spec.error());
  variant.spec = std::move(*spec);
  variant.created_us = row.integer(4);
  variant.created_by = row.text(5);
  variant.dataset = row.text(6);
  variant.report = row.text(7);
  variant.note = row.text(8);
  return variant;
}

Result<RolloutRecord> rollout_of(const Row& row) {
  RolloutRecord record;
  record.id = row.text(0);
  record.name = row.text(1);
  const auto plan_text = Json::parse(row.text(2)), suites_text = Json::parse(row.text(5)), state_text = Json::parse(row.text(6));
  for (const auto* json : {&plan_text, &suites_text, &state_text}) {
    if (!json->ok()) return corrupt("rollout " + record.id, json->error());
  }
  auto plan = plan_from_json(*plan_text, "plan");
  if (!plan.ok()) return corrupt("rollout " + record.id, plan.error());
  record.plan = std::move(*plan);
  record.champion = row.text(3);
  record.candidate = row.text(4);
  FS_TRY(record.suites, suite_results_from_json(*suites_text));
  FS_TRY(record.state, state_from_json(*state_text));
  bool fits = record.state.surfaces.size() == record.plan.surfaces.size();
  for (size_t i = 0; fits && i < record.state.surfaces.size(); ++i) fits = static_cast<size_t>(record.state.surfaces[i].step) < record.plan.surfaces[i].steps.size();
  if (!fits) return Error{ErrorCode::kDataLoss, "registry: rollout " + record.id + ": its state does not fit its plan"};
  record.version = row.integer(7);
  record.created_us = row.integer(8);
  record.updated_us = row.integer(9);
  return record;
}

Result<std::string> alias_of(Reader& reader, const std::string& name, const std::string& alias) {
  FS_TRY(const std::optional<Row> row, reader.first("SELECT digest FROM release_aliases WHERE name = $1 AND alias = $2", {name, alias}));
  return row ? row->text(0) : std::string();
}

// In the caller's transaction; compare-and-set when `expected` is given.
Status put_alias(Transaction& t, const std::string& name, const std::string& alias, const std::string& digest, const std::optional<std::string>& expected,
                 const std::string& actor, const std::string& reason, int64_t now_us) {
  FS_TRY(const std::string now, alias_of(t, name, alias));
  if (expected && *expected != now) {
    return Error{ErrorCode::kFailedPrecondition, fmt::format("{}@{} points to {}, not to {}: somebody changed it meanwhile", name, alias, now.empty() ? "nothing" : now.substr(0, 12),
                                                             expected->empty() ? "nothing" : expected->substr(0, 12))};
  }
  FS_TRY_VOID(t.execute("INSERT INTO release_aliases(name, alias, digest, version) VALUES($1, $2, $3, 1) ON CONFLICT(name, alias) DO UPDATE SET "
                        "digest = excluded.digest, version = release_aliases.version + 1",
                        {name, alias, digest}));
  FS_TRY_VOID(t.execute("INSERT INTO release_alias_log(name, seq, alias, digest, at_us, actor, reason) SELECT $1, coalesce(max(seq), 0) + 1, $2, $3, $4, $5, $6 "
                        "FROM release_alias_log WHERE name = $1",
                        {name, alias, digest, now_us, actor, reason}));
  return {};
}

Status put_champion(Transaction& t, const std::string& name, const std::string& digest, const std::optional<std::string>& expected, const std::string& actor,
                    const std::string& reason, int64_t now_us) {
  FS_TRY(const std::string before, alias_of(t, name, "champion"));
  FS_TRY_VOID(put_alias(t, name, "champion", digest, expected, actor, reason, now_us));
  if (!before.empty() && before != digest) FS_TRY_VOID(put_alias(t, name, "previous", before, std::nullopt, actor, reason, now_us));
  return {};
}

Status put_events(Transaction& t, const std::string& rollout, const std::vector<RolloutEvent>& events) {
  for (const RolloutEvent& event : events) {
    FS_TRY_VOID(t.execute("INSERT INTO rollout_events(rollout, seq, at_us, kind, surface, text) SELECT $1, coalesce(max(seq), 0) + 1, $2, $3, $4, $5 FROM rollout_events "
                          "WHERE rollout = $1",
                          {rollout, event.at_us, event.kind, event.surface, event.text}));
  }
  return {};
}

Status put_state(Transaction& t, const RolloutRecord& before, const RolloutState& state, int64_t now_us) {
  FS_TRY(const int64_t n, t.execute("UPDATE rollouts SET state = $3, is_over = $4, version = version + 1, updated_us = $5 WHERE id = $1 AND version = $2",
                                    {before.id, before.version, state_json(state).dump(), int64_t{is_over(state.status) ? 1 : 0}, now_us}));
  if (n == 0) return Error{ErrorCode::kFailedPrecondition, "rollout " + before.id + " was changed meanwhile"};
  return {};
}

Status check_names(const std::string& name, const std::string& alias) {
  if (!is_release_name(name)) return Error{ErrorCode::kInvalidArgument, "a name has 1 to 64 of a-z 0-9 . _ -, found '" + name + "'"};
  if (!is_release_name(alias)) return Error{ErrorCode::kInvalidArgument, "an alias has 1 to 64 of a-z 0-9 . _ -, found '" + alias + "'"};
  return {};
}

}  // namespace

Result<Variant> Registry::create(const std::string& name, const VariantSpec& spec, const Origin& origin, const Actor& actor) {
  FS_TRY_VOID(check_names(name, "champion"));
  for (const std::string* text : {&origin.dataset, &origin.report, &origin.note}) {
    if (text->size() > 1024) return Error{ErrorCode::kInvalidArgument, "dataset, report and note have at most 1,024 bytes each"};
  }
  // Through the reader once more: what is stored can be read back, and equal settings have one text.
  FS_TRY(const VariantSpec checked, variant_from_json(variant_json(spec), "variant"));
  const std::string digest = variant_digest(checked);
  if (Result<Variant> known = find(name, digest); known.ok()) return known;
  const int64_t now_us = wall_.now_us();
  Json details(Json::Object{{"digest", digest}, {"base", checked.base}, {"adapter", checked.adapter}, {"dataset", origin.dataset}});
  const Status status = tenants_.audited({}, actor, "variant.create", name, details.dump(), [&](Transaction& t) -> Status {
    FS_TRY_VOID(t.execute("INSERT INTO variants(name, number, digest, spec, created_us, created_by, dataset, report, note) "
                          "SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, $7, $8 FROM variants WHERE name = $1",
                          {name, digest, variant_json(checked).dump(), now_us, actor.name, origin.dataset, origin.report, origin.note}));
    FS_TRY(const std::string champion, alias_of(t, name, "champion"));
    if (champion.empty()) return put_alias(t, name, "champion", digest, std::nullopt, actor.name, "the first variant", now_us);
    return put_alias(t, name, "candidate", digest, std::nullopt, actor.name, "the newest variant", now_us);
  });
  FS_TRY_VOID(status);
  return find(name, digest);
}

Result<std::vector<Variant>> Registry::list(const std::string& name) {
  std::vector<Row> rows;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    FS_TRY(rows, reader.query("SELECT name, number, digest, spec, created_us, created_by, dataset, report, note FROM variants WHERE $1 = '' OR name = $1 "
                              "ORDER BY name, number DESC LIMIT 10000",
                              {name}));
    return {};
  }));
  std::vector<Variant> variants;
  for (const Row& row : rows) {
    FS_TRY(Variant variant, variant_of(row));
    variants.push_back(std::move(variant));
  }
  return variants;
}

Result<std::vector<std::string>> Registry::names() {
  std::vector<std::string> names;
  FS_TRY_VOID(store_.read([&](Reader& reader) {
    return reader.each("SELECT DISTINCT name FROM variants ORDER BY name LIMIT 1000", {}, [&](const Row& row) {
      names.push_back(row.text(0));
      return true;
    });
  }));
  return names;
}

Result<Variant> Registry::find(const std::string& name, std::string_view which) {
  if (!which.empty() && which.front() == '@') which.remove_prefix(1);
  FS_TRY(const std::vector<Variant> all, list(name.empty() ? "?" : name));
  if (all.empty()) return Error{ErrorCode::kNotFound, "no variant has the name '" + name + "'; firesteel release list shows what there is"};
  FS_TRY(const std::vector<AliasRecord> known, aliases(name));
  std::string wanted(which);
  for (const AliasRecord& alias : known) {
    if (alias.alias == which) wanted = alias.digest;
  }
  int64_t number = 0;
  const auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), number);
  const bool is_number = error == std::errc() && end == which.data() + which.size() && which.size() < 8;
  for (const Variant& variant : all) {
    if (is_number ? variant.number == number : wanted.size() >= 8 && variant.digest.starts_with(wanted)) return variant;
  }
  std::string there;
  for (const AliasRecord& alias : known) there += (there.empty() ? "@" : ", @") + alias.alias;
  return Error{ErrorCode::kNotFound, fmt::format("{} has no variant '{}': expected an alias ({}), a number from 1 to {} or 8 digits of a digest", name, which, there, all.front().number)};
}

Result<std::vector<AliasRecord>> Registry::aliases(const std::string& name) {
  std::vector<AliasRecord> list;
  FS_TRY_VOID(store_.read([&](Reader& reader) {
    return reader.each("SELECT alias, digest, version FROM release_aliases WHERE name = $1 ORDER BY alias LIMIT 1000", {name}, [&](const Row& row) {
      list.push_back({row.text(0), row.text(1), row.integer(2)});
      return true;
    });
  }));
  return list;
}

Result<std::vector<AliasChange>> Registry::history(const std::string& name, int64_t limit) {
  std::vector<AliasChange> list;
  FS_TRY_VOID(store_.read([&](Reader& reader) {
    return reader.each("SELECT at_us, alias, digest, actor, reason FROM release_alias_log WHERE name = $1 ORDER BY seq DESC LIMIT $2",
                       {name, std::clamp<int64_t>(limit, 0, 10'000)}, [&](const Row& row) {
                         list.push_back({row.integer(0), row.text(1), row.text(2), row.text(3), row.text(4)});
                         return true;
                       });
  }));
  return list;
}

Status Registry::set_alias(const std::string& name, const std::string& alias, const std::string& digest, const std::optional<std::string>& expected,
                           const std::string& reason, const Actor& actor) {
  FS_TRY_VOID(check_names(name, alias));
  FS_TRY(const Variant variant, find(name, digest));
  Json details(Json::Object{{"digest", variant.digest}, {"reason", reason}});
  return tenants_.audited({}, actor, "release.alias", name + "@" + alias, details.dump(), [&](Transaction& t) {
    return put_alias(t, name, alias, variant.digest, expected, actor.name, reason, wall_.now_us());
  });
}

Status Registry::promote(const std::string& name, const std::string& digest, const std::optional<std::string>& expected, const std::string& reason, const Actor& actor) {
  FS_TRY(const Variant variant, find(name, digest));
  FS_TRY(const std::vector<RolloutRecord> running, rollouts(name, /*only_running=*/true, 10));
  const int64_t now_us = wall_.now_us();
  Json details(Json::Object{{"digest", variant.digest}, {"number", variant.number}, {"reason", reason}});
  return tenants_.audited({}, actor, "release.promote", name, details.dump(), [&](Transaction& t) -> Status {
    FS_TRY_VOID(put_champion(t, name, variant.digest, expected, actor.name, reason, now_us));
    for (const RolloutRecord& rollout : running) {
      RolloutState state = rollout.state;
      state.status = rollout.candidate == variant.digest ? RolloutStatus::kPromoted : RolloutStatus::kCancelled;
      state.reason = "by " + actor.name + ": " + reason;
      FS_TRY_VOID(put_state(t, rollout, state, now_us));
      FS_TRY_VOID(put_events(t, rollout.id, {{now_us, rollout_status_name(state.status), "", state.reason}}));
    }
    return {};
  });
}

Result<Variant> Registry::roll_back(const std::string& name, const std::string& reason, const Actor& actor) {
  FS_TRY(const std::vector<RolloutRecord> running, rollouts(name, /*only_running=*/true, 10));
  const int64_t now_us = wall_.now_us();
  std::string target;
  if (running.empty()) {
    FS_TRY(const Variant previous, find(name, "previous"));
    target = previous.digest;
  }
  Json details(Json::Object{{"reason", reason}, {"rollout", running.empty() ? "" : running.front().id}, {"to", target}});
  const Status status = tenants_.audited({}, actor, "release.rollback", name, details.dump(), [&](Transaction& t) -> Status {
    for (const RolloutRecord& rollout : running) {
      RolloutState state = rollout.state;
      state.status = RolloutStatus::kRolledBack;
      state.reason = "by " + actor.name + ": " + reason;
      FS_TRY_VOID(put_state(t, rollout, state, now_us));
      FS_TRY_VOID(put_events(t, rollout.id, {{now_us, "rolled_back", "", state.reason}}));
    }
    if (!target.empty()) return put_champion(t, name, target, std::nullopt, actor.name, "rolled back: " + reason, now_us);
    return {};
  });
  FS_TRY_VOID(status);
  return find(name, "champion");
}

Result<RolloutRecord> Registry::start(const RolloutPlan& plan, const std::vector<SuiteResult>& suites, const Actor& actor) {
  FS_TRY(const Variant champion, find(plan.name, "champion"));
  FS_TRY(const Variant candidate, find(plan.name, plan.candidate));
  if (champion.digest == candidate.digest) return Error{ErrorCode::kFailedPrecondition, plan.name + ": the candidate is the champion already"};
  RolloutRecord record;
  record.id = "ro_" + random_id_tail();
  const int64_t now_us = wall_.now_us();
  Json details(Json::Object{{"rollout", record.id}, {"champion", champion.digest}, {"candidate", candidate.digest}});
  const Status status = tenants_.audited({}, actor, "release.start", plan.name, details.dump(), [&](Transaction& t) -> Status {
    FS_TRY(const std::optional<Row> other, t.first("SELECT id FROM rollouts WHERE name = $1 AND is_over = 0", {plan.name}));
    if (other) return Error{ErrorCode::kFailedPrecondition, plan.name + ": rollout " + other->text(0) + " is under way; end it first (release rollback)"};
    FS_TRY_VOID(t.execute("INSERT INTO rollouts(id, name, plan, champion, candidate, suites, state, is_over, version, created_us, updated_us) "
                          "VALUES($1, $2, $3, $4, $5, $6, $7, 0, 1, $8, $8)",
                          {record.id, plan.name, plan_json(plan).dump(), champion.digest, candidate.digest, suite_results_json(suites).dump(),
                           state_json(new_rollout(plan)).dump(), now_us}));
    return put_events(t, record.id, {{now_us, "started", "", fmt::format("{} {} against champion {}, by {}", plan.name, candidate.number, champion.number, actor.name)}});
  });
  FS_TRY_VOID(status);
  return advance_stored(record.id, actor);
}

Result<RolloutRecord> Registry::rollout(const std::string& id) {
  std::optional<Row> row;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    FS_TRY(row, reader.first("SELECT id, name, plan, champion, candidate, suites, state, version, created_us, updated_us FROM rollouts WHERE id = $1", {id}));
    return {};
  }));
  if (!row) return Error{ErrorCode::kNotFound, "no rollout " + id};
  return rollout_of(*row);
}

Result<std::vector<RolloutRecord>> Registry::rollouts(const std::string& name, bool only_running, int64_t limit) {
  std::vector<Row> rows;
  FS_TRY_VOID(store_.read([&](Reader& reader) -> Status {
    FS_TRY(rows, reader.query("SELECT id, name, plan, champion, candidate, suites, state, version, created_us, updated_us FROM rollouts "
                              "WHERE ($1 = '' OR name = $1) AND is_over <= $2 ORDER BY created_us DESC LIMIT $3",
                              {name, int64_t{only_running ? 0 : 1}, std::clamp<int64_t>(limit, 1, 1000)}));
    return {};
  }));
  std::vector<RolloutRecord> records;
  for (const Row& row : rows) {
    FS_TRY(RolloutRecord record, rollout_of(row));
    records.push_back(std::move(record));
  }
  return records;
}

Result<std::vector<RolloutEvent>> Registry::events(const std::string& rollout, int64_t limit) {
  std::vector<RolloutEvent> list;
  FS_TRY_VOID(store_.read([&](Reader& reader) {
    return reader.each("SELECT at_us, kind, surface, text FROM rollout_events WHERE rollout = $1 ORDER BY seq DESC LIMIT $2",
                       {rollout, std::clamp<int64_t>(limit, 0, 10'000)}, [&](const Row& row) {
                         list.push_back({row.integer(0), row.text(1), row.text(2), row.text(3)});
                         return true;
                       });
  }));
  return list;
}

Result<Evidence> Registry::evidence(const RolloutRecord& rollout) {
  Evidence evidence;
  evidence.suites = rollout.suites;
  evidence.surfaces.resize(rollout.plan.surfaces.size());
  FS_TRY_VOID(store_.read([&](Reader& reader) {
    return reader.each("SELECT surface, arm, metric, n, n_bad FROM rollout_counts WHERE rollout = $1 LIMIT 100000", {rollout.id}, [&](const Row& row) {
      const auto surface = std::find_if(rollout.plan.surfaces.begin(), rollout.plan.surfaces.end(), [&](const SurfacePlan& s) { return s.name == row.text(0); });
      if (surface == rollout.plan.surfaces.end()) return true;
      SurfaceEvidence& e = evidence.surfaces[static_cast<size_t>(surface - rollout.plan.surfaces.begin())];
      const int64_t arm = row.integer(1), n = std::max<int64_t>(row.integer(3), 0), n_bad = std::clamp<int64_t>(row.integer(4), 0, n);
      if (const auto metric = live_metric(row.text(2))) {
        SurfaceEvidence::Rates* const rates = arm == 0 ? &e.champion : arm == 1 ? &e.candidate : arm == 2 ? &e.champion_shadowed : &e.shadow;
        (*rates)[static_cast<size_t>(*metric)] = {n, n_bad};
      } else if (arm == 1) {
        e.n_candidate = n;
      } else if (arm == 3) {
        e.n_shadow = n;
      }
      return true;
    });
  }));
  return evidence;
}

Status Registry::put_suites(const std::string& id, const std::vector<SuiteResult>& suites, const Actor& actor) {
  FS_TRY(const RolloutRecord record, rollout(id));
  if (is_over(record.state.status)) return Error{ErrorCode::kFailedPrecondition, "rollout " + id + " is over"};
  return tenants_.audited({}, actor, "release.suites", record.name, Json(Json::Object{{"rollout", id}}).dump(), [&](Transaction& t) -> Status {
    FS_TRY(const int64_t n, t.execute("UPDATE rollouts SET suites = $2, version = version + 1 WHERE id = $1 AND version = $3", {id, suite_results_json(suites).dump(), record.version}));
    if (n == 0) return Error{ErrorCode::kFailedPrecondition, "rollout " + id + " was changed meanwhile"};
    return {};
  });
}

Status Registry::save(const RolloutRecord& before, const RolloutState& state, const std::vector<RolloutEvent>& events, const Actor& actor) {
  const int64_t now_us = wall_.now_us();
  Json details(Json::Object{{"rollout", before.id}, {"status", rollout_status_name(state.status)}, {"what", events.empty() ? "" : events.back().text}});
  return tenants_.audited({}, actor, "release.advance", before.name, details.dump(), [&](Transaction& t) -> Status {
    FS_TRY_VOID(put_state(t, before, state, now_us));
    FS_TRY_VOID(put_events(t, before.id, events));
    // Only if the champion is still the one that it was compared with.
    if (state.status == RolloutStatus::kPromoted) return put_champion(t, before.name, before.candidate, before.champion, actor.name, "rollout " + before.id, now_us);
    return {};
  });
}

Result<RolloutRecord> Registry::advance_stored(const std::string& id, const Actor& actor) {
  FS_TRY(RolloutRecord record, rollout(id));
  if (is_over(record.state.status)) return record;
  FS_TRY(const Evidence now, evidence(record));
  RolloutState state = record.state;
  std::vector<RolloutEvent> events;
  advance(record.plan, now, wall_.now_us(), &state, &events);
  if (state == record.state && events.empty()) return record;
  const Status saved = save(record, state, events, actor);
  FS_TRY(RolloutRecord after, rollout(id));
  // A server and a command may move it at the same moment: the first has done the work.
  if (!saved.ok() && (saved.error().code != ErrorCode::kFailedPrecondition || after.version == record.version)) return saved.error();
  return after;
}

}  // namespace firesteel
