#include "erase.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/mapped_file.h"
#include "dataset/adapter_files.h"
#include "dataset/steps.h"
#include "dataset/versions.h"
#include "digest/digest.h"
#include "store/erase_user.h"

namespace firesteel {
namespace {

const char* const kReason = "erasure of a person's data";

bool is_there(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// As variants name it: of a file's content. Empty for PEFT folders, which variants do not use.
std::string digest_of_adapter(const std::string& path) {
  if (!path.ends_with(".gguf")) return {};
  const Result<std::string> bytes = read_file(path, uint64_t{4} << 30);
  return bytes.ok() ? sha256_hex(*bytes) : std::string();
}

// Those trained on the versions, and those that the person's own tuning jobs made, which lie under their digest.
Result<std::vector<AdapterUse>> adapters_to_retire(const EraseWork& work, const std::vector<std::string>& versions, const std::vector<std::string>& made) {
  std::vector<std::string> folders;
  std::copy_if(work.adapters.begin(), work.adapters.end(), std::back_inserter(folders), is_there);
  FS_TRY(std::vector<AdapterUse> uses, find_adapters_of(folders, versions));
  for (const std::string& folder : folders) {
    for (const std::string& digest : made) {
      const std::string path = folder + "/" + digest + ".gguf";
      const bool known = std::any_of(uses.begin(), uses.end(), [&](const AdapterUse& use) { return use.path == path; });
      if (is_there(path) && !known) uses.push_back({path, ""});
    }
  }
  return uses;
}

// A champion goes back to the one before it, a rollout of a candidate ends; where there is nothing to go back to a person decides.
Result<std::string> retire_variant(Registry* registry, const Variant& variant, const std::vector<AliasRecord>& aliases, const std::set<std::string>& gone, bool dry_run, const Actor& actor) {
  const auto alias = [&](const char* name) {
    const auto found = std::find_if(aliases.begin(), aliases.end(), [&](const AliasRecord& one) { return one.alias == name; });
    return found == aliases.end() ? std::string() : found->digest;
  };
  FS_TRY(const std::vector<RolloutRecord> running, registry->rollouts(variant.name, /*only_running=*/true, 1));
  std::string now = "cannot be loaded any more";
  if (!running.empty() && running.front().candidate == variant.digest) {
    if (!dry_run) {
      FS_TRY([[maybe_unused]] const Variant back, registry->roll_back(variant.name, kReason, actor));
    }
    now += "; its rollout is ended";
  }
  if (alias("champion") != variant.digest) return now;
  const std::string previous = alias("previous");
  if (previous.empty()) return now + "; it is the champion, and there is none before it: promote another";
  FS_TRY(const Variant other, registry->find(variant.name, previous));
  if (gone.contains(other.spec.adapter)) return now + "; it is the champion, and the one before it is retired, too: promote another";
  if (!dry_run) FS_TRY_VOID(registry->set_alias(variant.name, "champion", previous, variant.digest, kReason, actor));
  return now + fmt::format("; {} {} is the champion again", other.name, other.number);
}

Result<Json> retire_variants(Store* store, Tenants* tenants, const std::set<std::string>& gone, bool dry_run, const Actor& actor) {
  Json::Array out;
  if (store == nullptr || gone.empty()) return Json(std::move(out));
  Registry registry(*store, *tenants);
  FS_TRY(const std::vector<Variant> variants, registry.list(""));
  for (const Variant& variant : variants) {
    if (variant.spec.adapter.empty() || !gone.contains(variant.spec.adapter)) continue;
    FS_TRY(const std::vector<AliasRecord> aliases, registry.aliases(variant.name));
    FS_TRY(std::string now, retire_variant(&registry, variant, aliases, gone, dry_run, actor));
    out.push_back(Json::Object{{"name", variant.name}, {"number", variant.number}, {"digest", variant.digest}, {"now", std::move(now)}});
  }
  return Json(std::move(out));
}

}  // namespace

Result<Json> erase_person(Store* store, Tenants* tenants, const EraseWork& work, const Actor& actor) {
  if (work.user.empty()) return Error{ErrorCode::kInvalidArgument, "erase: no user named"};
  // What the store knows of the person; an id that is none of its users is a person of the datasets only.
  TenantId tenant;
  const std::optional<UserId> user = UserId::parse(work.user);
  if (store != nullptr && user) {
    FS_TRY(tenant, tenant_of_user(*store, *user));
  }
  ErasedRecords records;
  if (!tenant.empty()) {
    FS_TRY(records, erase_user_records(*store, tenant, *user, /*dry_run=*/true));
  }

  std::vector<Erased> erased;
  if (is_there(work.datasets)) {
    FS_TRY(erased, erase_user(DatasetStore(work.datasets), work.user, work.tenant, work.dry_run, wall_clock().now_us()));
  }
  std::vector<std::string> digests;
  Json::Array versions, files;
  for (const Erased& item : erased) {
    digests.push_back(item.version.digest);
    versions.push_back(Json::Object{{"dataset", item.version.name}, {"digest", item.version.digest}, {"rows", static_cast<int64_t>(item.n_rows)}, {"replaced_by", item.replaced_by}});
  }
  FS_TRY(const std::vector<AdapterUse> adapters, adapters_to_retire(work, digests, records.adapters));
  std::set<std::string> gone(records.adapters.begin(), records.adapters.end());
  std::vector<std::string> content;
  for (const AdapterUse& use : adapters) {
    content.push_back(digest_of_adapter(use.path));
    if (!content.back().empty()) gone.insert(content.back());
    files.push_back(Json::Object{{"file", use.path}, {"dataset", use.digest}, {"digest", content.back()}});
  }
  FS_TRY(Json variants, retire_variants(store, tenants, gone, work.dry_run, actor));
  for (const AdapterUse& use : adapters) {
    if (!work.dry_run) FS_TRY_VOID(retire_adapter(use, kReason));
  }
  if (!tenant.empty() && !work.dry_run) {
    FS_TRY(records, erase_user_records(*store, tenant, *user, /*dry_run=*/false));
  }
  Json rows = Json::Object{};
  for (const auto& [kind, n] : records.rows) rows.set(kind, n);
  if (store != nullptr && !work.dry_run) {
    const Json details = Json::Object{{"records", rows}, {"versions", static_cast<int64_t>(erased.size())}, {"adapters", static_cast<int64_t>(adapters.size())}};
    FS_TRY_VOID(tenants->audit(tenant, actor, "data.erase", work.user, details.dump()));
  }
  return Json(Json::Object{{"user", work.user}, {"dry_run", work.dry_run}, {"records", std::move(rows)}, {"versions", std::move(versions)}, {"adapters", std::move(files)}, {"variants", std::move(variants)}});
}

}  // namespace firesteel
