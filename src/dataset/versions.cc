#include "dataset/versions.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/mapped_file.h"
#include "digest/digest.h"

namespace firesteel {
namespace {

constexpr uint64_t kCardBytesMax = 16u << 20;

Error io(const std::string& path) { return Error{errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": " + std::strerror(errno)}; }

bool is_digest(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Status sync_folder(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return io(path);
  const bool ok = ::fsync(fd) == 0;
  const Error error = io(path);
  ::close(fd);
  if (!ok) return error;
  return {};
}

Result<std::vector<std::string>> entries(const std::string& folder, bool hidden = false) {
  DIR* const dir = ::opendir(folder.c_str());
  if (dir == nullptr) return io(folder);
  std::vector<std::string> names;
  while (const dirent* const entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    if (name.starts_with(".") == hidden && name != "." && name != "..") names.push_back(name);
  }
  ::closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

void remove_work(const std::string& folder) {
  for (const char* name : {"rows.jsonl", "lineage.jsonl", "rows.jsonl.tmp", "lineage.jsonl.tmp", "rejects.jsonl", "card.json", "card.json.tmp", "progress.json", "progress.json.tmp"}) ::unlink((folder + "/" + name).c_str());
  ::rmdir(folder.c_str());
}

std::string version_digest(const std::string& rows, const std::string& lineage) { return sha256_hex("firesteel dataset 1\n" + rows + "\n" + lineage + "\n"); }

std::string text_of(const Json* value) { return value != nullptr && value->is_string() ? value->as_string() : std::string(); }
int64_t integer_of(const Json* value) { return value != nullptr && value->is_int() ? value->as_int() : 0; }

Json counts_json(const std::map<std::string, int64_t>& counts) {
  Json json{Json::Object{}};
  for (const auto& [name, n] : counts) json.set(name, n);
  return json;
}

}  // namespace

Status make_folders(const std::string& path) {
  for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string parent = path.substr(0, end);
    if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST) return io(parent);
  }
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return io(path);
  return {};
}

Status check_dataset_name(std::string_view name) {
  const bool fits = !name.empty() && name.size() <= 64 && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == std::string_view::npos &&
                    name[0] != '-' && name[0] != '_' && name[0] != '.' && name != "head";
  if (fits) return {};
  return Error{ErrorCode::kInvalidArgument, fmt::format("dataset name '{}': expected 1 to 64 of a-z 0-9 - _ . beginning with a letter or digit", name.substr(0, 80))};
}

Result<VersionRef> DatasetStore::resolve(std::string_view text) const {
  const size_t at = text.find('@');
  VersionRef ref{std::string(text.substr(0, at)), {}};
  FS_TRY_VOID(check_dataset_name(ref.name));
  if (!exists(folder_ + "/" + ref.name)) return Error{ErrorCode::kNotFound, fmt::format("no dataset '{}' in {}", ref.name, folder_)};
  if (at == std::string_view::npos) {
    const auto head = read_file(folder_ + "/" + ref.name + "/head", 100);
    if (!head.ok()) return Error{ErrorCode::kNotFound, fmt::format("dataset '{}' has no current version", ref.name)};
    ref.digest = head->substr(0, 64);
    if (!is_digest(ref.digest)) return Error{ErrorCode::kDataLoss, folder_ + "/" + ref.name + "/head: not a digest"};
  } else {
    const std::string_view prefix = text.substr(at + 1);
    if (prefix.size() < 8 || prefix.size() > 64 || prefix.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("'{}': expected NAME@ and 8 to 64 hex digits", text.substr(0, 160))};
    }
    FS_TRY(const std::vector<std::string> names, entries(folder_ + "/" + ref.name));
    for (const std::string& name : names) {
      if (!is_digest(name) || !name.starts_with(prefix)) continue;
      if (!ref.digest.empty()) return Error{ErrorCode::kInvalidArgument, fmt::format("'{}' fits several versions; give more digits", text)};
      ref.digest = name;
    }
    if (ref.digest.empty()) return Error{ErrorCode::kNotFound, fmt::format("no version {} of dataset '{}'", prefix, ref.name)};
  }
  if (exists(path_of(ref) + "/retired.json")) {
    std::string message = ref.text() + " was retired";
    if (const auto file = read_file(path_of(ref) + "/retired.json", kCardBytesMax); file.ok()) {
      if (const auto json = Json::parse(*file); json.ok()) message += " (" + text_of(json->find("reason")) + "); replaced by " + (text_of(json->find("replaced_by")).empty() ? "nothing" : text_of(json->find("replaced_by")));
    }
    return Error{ErrorCode::kFailedPrecondition, message};
  }
  return ref;
}

Result<Json> DatasetStore::read_card(const VersionRef& ref) const {
  FS_TRY(const std::string text, read_file(path_of(ref) + "/card.json", kCardBytesMax));
  auto card = Json::parse(text);
  if (!card.ok()) return Error{ErrorCode::kDataLoss, path_of(ref) + "/card.json: " + card.error().message};
  return std::move(card).value();
}

Result<std::vector<VersionInfo>> DatasetStore::list() const {
  std::vector<VersionInfo> out;
  if (!exists(folder_)) return out;
  FS_TRY(const std::vector<std::string> names, entries(folder_));
  for (const std::string& name : names) {
    if (!check_dataset_name(name).ok()) continue;
    const auto head = read_file(folder_ + "/" + name + "/head", 100);
    const auto versions = entries(folder_ + "/" + name);
    if (!versions.ok()) continue;  // a file that is none of ours
    const size_t first = out.size();
    for (const std::string& digest : *versions) {
      if (!is_digest(digest)) continue;
      VersionInfo info;
      info.ref = {name, digest};
      info.is_head = head.ok() && head->starts_with(digest);
      info.retired = exists(path_of(info.ref) + "/retired.json");
      FS_TRY(info.card, read_card(info.ref));
      out.push_back(std::move(info));
    }
    std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(), [](const VersionInfo& a, const VersionInfo& b) {
      return integer_of(a.card.find("created_us")) > integer_of(b.card.find("created_us"));
    });
  }
  return out;
}

Result<Dataset> DatasetStore::read(const VersionRef& ref, const DatasetLimits& limits) const {
  Dataset out;
  out.ref = ref;
  FS_TRY(out.card, read_card(ref));
  const std::string rows_path = path_of(ref) + "/rows.jsonl", lineage_path = path_of(ref) + "/lineage.jsonl";
  FS_TRY(const std::string rows, read_file(rows_path, limits.file_bytes_max));
  FS_TRY(const std::string lineage, read_file(lineage_path, limits.file_bytes_max));
  if (version_digest(sha256_hex(rows), sha256_hex(lineage)) != ref.digest) {
    return Error{ErrorCode::kDataLoss, path_of(ref) + ": rows.jsonl and lineage.jsonl are not the ones that the version's name stands for"};
  }
  size_t row_at = 0, lineage_at = 0, n = 0;
  while (row_at < rows.size() && lineage_at < lineage.size()) {
    const size_t row_end = std::min(rows.find('\n', row_at), rows.size()), lineage_end = std::min(lineage.find('\n', lineage_at), lineage.size());
    ++n;
    if (n > limits.rows_max) return Error{ErrorCode::kResourceExhausted, fmt::format("{}: more than {} rows", rows_path, limits.rows_max)};
    LineageRow item;
    FS_TRY(const Json row, Json::parse(std::string_view(rows).substr(row_at, row_end - row_at)));
    FS_TRY(const Json origin, Json::parse(std::string_view(lineage).substr(lineage_at, lineage_end - lineage_at)));
    FS_TRY(item.row, parse_row(row));
    FS_TRY(item.lineage, parse_lineage(origin));
    out.rows.push_back(std::move(item));
    row_at = row_end + 1;
    lineage_at = lineage_end + 1;
  }
  if (row_at < rows.size() || lineage_at < lineage.size()) return Error{ErrorCode::kDataLoss, path_of(ref) + ": rows and lineage have different numbers of lines"};
  return out;
}

DatasetStore::Counts count_rows(const std::vector<LineageRow>& rows) {
  DatasetStore::Counts counts;
  std::map<std::string, int64_t> kinds, languages;
  std::set<std::pair<std::string, std::string>> users;
  std::set<std::string> tenants;
  for (const LineageRow& item : rows) {
    ++kinds[row_kind_name(item.row.kind)];
    if (!item.lineage.language.empty()) ++languages[item.lineage.language];
    if (!item.lineage.user.empty()) users.emplace(item.lineage.tenant, item.lineage.user);
    if (!item.lineage.tenant.empty()) tenants.insert(item.lineage.tenant);
  }
  counts.n_rows = rows.size();
  counts.kinds = counts_json(kinds);
  counts.languages = counts_json(languages);
  counts.n_users = users.size();
  counts.n_tenants = tenants.size();
  return counts;
}

Result<VersionRef> DatasetStore::publish(const std::string& name, const std::vector<LineageRow>& rows, const Json& parent_card, const Step& step, int64_t now_us) const {
  FS_TRY_VOID(check_dataset_name(name));
  if (rows.empty()) return Error{ErrorCode::kFailedPrecondition, fmt::format("{}: no row is left after {}; nothing was written", name, step.name)};
  FS_TRY_VOID(make_folders(folder_ + "/" + name));
  const std::string work = fmt::format("{}/{}/.work-{}-{}", folder_, name, step.name, ::getpid());
  remove_work(work);
  FS_TRY_VOID(make_folders(work));
  const auto write = [&]() -> Result<VersionRef> {
    std::string rows_text, lineage_text;
    for (const LineageRow& item : rows) {
      rows_text += row_json(item.row).dump() + '\n';
      lineage_text += lineage_json(item.lineage).dump() + '\n';
    }
    FS_TRY_VOID(write_file_atomic(work + "/rows.jsonl", rows_text));
    FS_TRY_VOID(write_file_atomic(work + "/lineage.jsonl", lineage_text));
    return publish_folder(name, work, count_rows(rows), parent_card, step, now_us);
  };
  Result<VersionRef> written = write();
  if (!written.ok()) remove_work(work);
  return written;
}

Result<VersionRef> DatasetStore::publish_folder(const std::string& name, const std::string& work, const Counts& counts, const Json& parent_card, const Step& step, int64_t now_us) const {
  FS_TRY(const std::string rows, sha256_file(work + "/rows.jsonl"));
  FS_TRY(const std::string lineage, sha256_file(work + "/lineage.jsonl"));
  const VersionRef ref{name, version_digest(rows, lineage)};
  if (!exists(path_of(ref) + "/card.json")) {
    Json::Array steps;
    if (const Json* const before = parent_card.find("steps"); before != nullptr && before->is_array()) steps = before->as_array();
    steps.push_back(Json::Object{{"step", step.name}, {"options", step.options}, {"report", step.report}, {"rows", static_cast<int64_t>(counts.n_rows)}});
    Json card = Json::Object{{"name", name}, {"digest", ref.digest}, {"created_us", now_us}, {"rows", static_cast<int64_t>(counts.n_rows)}, {"kinds", counts.kinds},
                             {"languages", counts.languages}, {"users", static_cast<int64_t>(counts.n_users)}, {"tenants", static_cast<int64_t>(counts.n_tenants)},
                             {"rows_sha256", rows}, {"lineage_sha256", lineage}};
    if (parent_card.is_object()) card.set("parent", text_of(parent_card.find("name")) + "@" + text_of(parent_card.find("digest")));
    card.set("steps", std::move(steps));
    FS_TRY_VOID(write_file_atomic(work + "/card.json", card.dump(2) + "\n"));
    ::unlink((work + "/progress.json").c_str());
    FS_TRY_VOID(sync_folder(work));
    if (::rename(work.c_str(), path_of(ref).c_str()) != 0) {
      if (errno != EEXIST && errno != ENOTEMPTY) return io(path_of(ref));
      if (exists(path_of(ref) + "/retired.json")) return Error{ErrorCode::kFailedPrecondition, ref.text() + " was retired and cannot come back"};
      remove_work(work);
    }
    FS_TRY_VOID(sync_folder(folder_ + "/" + name));
  } else {
    remove_work(work);
    if (exists(path_of(ref) + "/retired.json")) return Error{ErrorCode::kFailedPrecondition, ref.text() + " was retired and cannot come back"};
  }
  FS_TRY_VOID(write_file_atomic(folder_ + "/" + name + "/head", ref.digest + "\n"));
  return ref;
}

Status DatasetStore::discard_unfinished() const {
  if (!exists(folder_)) return {};
  FS_TRY(const std::vector<std::string> names, entries(folder_));
  for (const std::string& name : names) {
    const auto unfinished = entries(folder_ + "/" + name, /*hidden=*/true);
    if (!unfinished.ok()) continue;  // a file that is none of ours
    for (const std::string& folder : *unfinished) {
      remove_work(folder_ + "/" + name + "/" + folder);
      if (exists(folder_ + "/" + name + "/" + folder + "/rows.jsonl")) return Error{ErrorCode::kIo, folder_ + "/" + name + "/" + folder + ": cannot be removed"};
    }
  }
  return {};
}

Status DatasetStore::retire(const VersionRef& ref, const std::string& reason, const std::string& replaced_by, int64_t now_us) const {
  const std::string path = path_of(ref);
  if (!exists(path)) return Error{ErrorCode::kNotFound, ref.text() + ": no such version"};
  if (!exists(path + "/retired.json")) {
    Json note = Json::Object{{"reason", reason}, {"at_us", now_us}};
    if (!replaced_by.empty()) note.set("replaced_by", replaced_by);
    FS_TRY_VOID(write_file_atomic(path + "/retired.json", note.dump(2) + "\n"));
  }
  for (const char* name : {"rows.jsonl", "lineage.jsonl", "rejects.jsonl"}) {
    if (::unlink((path + "/" + name).c_str()) != 0 && errno != ENOENT) return io(path + "/" + name);
  }
  FS_TRY_VOID(sync_folder(path));
  const std::string head_path = folder_ + "/" + ref.name + "/head";
  if (const auto head = read_file(head_path, 100); head.ok() && head->starts_with(ref.digest)) {
    if (::unlink(head_path.c_str()) != 0) return io(head_path);
  }
  return {};
}

std::string card_markdown(const Json& card) {
  std::string out = fmt::format("# Dataset {}\n\n", text_of(card.find("name")));
  out += fmt::format("- version: `{}`\n- rows: {} of {} users in {} tenants\n", text_of(card.find("digest")), integer_of(card.find("rows")), integer_of(card.find("users")),
                     integer_of(card.find("tenants")));
  for (const char* name : {"kinds", "languages"}) {
    const Json* const counts = card.find(name);
    if (counts == nullptr || !counts->is_object() || counts->as_object().empty()) continue;
    out += fmt::format("- {}:", name);
    for (const auto& [key, value] : counts->as_object()) out += fmt::format(" {} {}", key, integer_of(&value));
    out += '\n';
  }
  if (!text_of(card.find("parent")).empty()) out += fmt::format("- made from: `{}`\n", text_of(card.find("parent")));
  out += fmt::format("- SHA-256 of rows.jsonl: `{}`\n- SHA-256 of lineage.jsonl: `{}`\n\n## Steps\n\n", text_of(card.find("rows_sha256")), text_of(card.find("lineage_sha256")));
  if (const Json* const steps = card.find("steps"); steps != nullptr && steps->is_array()) {
    for (size_t i = 0; i < steps->as_array().size(); ++i) {
      const Json& step = steps->as_array()[i];
      const Json* const report = step.find("report");
      out += fmt::format("{}. **{}**: {} rows. Options `{}`, report `{}`\n", i + 1, text_of(step.find("step")), integer_of(step.find("rows")),
                         step.find("options") != nullptr ? step.find("options")->dump() : "{}", report != nullptr ? report->dump() : "{}");
    }
  }
  return out;
}

}  // namespace firesteel
