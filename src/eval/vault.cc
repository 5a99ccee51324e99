#include "eval/vault.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/base64.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "schema/ids.h"
#include "tenants/crypto.h"
#include "tenants/server_secret.h"

namespace firesteel {
namespace {

constexpr uint64_t kVaultBytesMax = uint64_t{1} << 30;
constexpr size_t kItemsMax = 1'000'000, kVersionsMax = 10'000;

std::string base64(std::string_view bytes) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k) word = word << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : kAlphabet[word >> (18 - 6 * k) & 63];
  }
  return out;
}

Json texts(const std::vector<std::string>& list) { return Json::Array(list.begin(), list.end()); }

Json item_json(const EvalItem& item) {
  Json::Array messages, slices;
  for (const SampleMessage& message : item.messages) messages.push_back(Json::Array{message.role, message.text});
  for (const auto& [name, value] : item.slices) slices.push_back(Json::Array{name, value});
  const Grading& g = item.grading;
  Json grading(Json::Object{{"kind", grading_kind_name(g.kind)}, {"answers", texts(g.answers)}, {"choices", texts(g.choices)}, {"unit", g.unit}, {"unit_required", g.unit_required}});
  if (!g.forbidden.empty()) grading.set("forbidden", texts(g.forbidden));
  if (g.tolerance) grading.set("tolerance", g.tolerance->to_string());
  if (g.relative_tolerance) grading.set("relative_tolerance", g.relative_tolerance->to_string());
  return Json::Object{{"id", item.id}, {"messages", std::move(messages)}, {"slices", std::move(slices)}, {"grading", std::move(grading)}};
}

// Sealed by us and authenticated, so a wrong type is a program of another version: one message for all.
class Opened {
 public:
  explicit Opened(const Json& json) : json_(json) {}
  std::string text(const char* key) {
    const Json* value = json_.find(key);
    if (value != nullptr && value->is_string()) return value->as_string();
    good_ = false;
    return {};
  }
  int64_t integer(const char* key) {
    const Json* value = json_.find(key);
    if (value != nullptr && value->is_int()) return value->as_int();
    good_ = false;
    return 0;
  }
  bool boolean(const char* key) {
    const Json* value = json_.find(key);
    return value != nullptr && value->is_bool() && value->as_bool();
  }
  std::vector<std::string> list(const char* key) {
    std::vector<std::string> out;
    const Json* value = json_.find(key);
    if (value == nullptr || !value->is_array()) good_ = false;
    else for (const Json& one : value->as_array()) one.is_string() ? out.push_back(one.as_string()) : static_cast<void>(good_ = false);
    return out;
  }
  std::vector<std::pair<std::string, std::string>> pairs(const char* key) {
    std::vector<std::pair<std::string, std::string>> out;
    const Json* value = json_.find(key);
    if (value == nullptr || !value->is_array()) good_ = false;
    else for (const Json& one : value->as_array()) {
      if (one.is_array() && one.as_array().size() == 2 && one.as_array()[0].is_string() && one.as_array()[1].is_string()) out.emplace_back(one.as_array()[0].as_string(), one.as_array()[1].as_string());
      else good_ = false;
    }
    return out;
  }
  std::optional<Decimal> decimal(const char* key) {
    const Json* value = json_.find(key);
    if (value == nullptr) return std::nullopt;
    const auto number = value->is_string() ? Decimal::parse(value->as_string()) : std::nullopt;
    good_ = good_ && number.has_value();
    return number;
  }
  bool good() const { return good_; }

 private:
  const Json& json_;
  bool good_ = true;
};

std::optional<EvalItem> item_of(const Json& json) {
  const Json* grading = json.find("grading");
  if (grading == nullptr || !grading->is_object()) return std::nullopt;
  Opened r(json), g(*grading);
  EvalItem item;
  item.id = r.text("id");
  for (auto& [role, text] : r.pairs("messages")) item.messages.push_back({role, text, {}});
  item.slices = r.pairs("slices");
  const auto kind = grading_kind(g.text("kind"));
  if (!kind) return std::nullopt;
  item.grading.kind = *kind;
  item.grading.answers = g.list("answers");
  item.grading.choices = g.list("choices");
  item.grading.unit = g.text("unit");
  if (grading->find("forbidden") != nullptr) item.grading.forbidden = g.list("forbidden");
  item.grading.unit_required = g.boolean("unit_required");
  item.grading.tolerance = g.decimal("tolerance");
  item.grading.relative_tolerance = g.decimal("relative_tolerance");
  if (!r.good() || !g.good() || item.messages.empty()) return std::nullopt;
  return item;
}

std::string context_of(const std::string& id, size_t place, size_t n_items) {
  return id + " " + std::to_string(place) + " of " + std::to_string(n_items);
}

struct Head {
  std::string id, name;
  size_t n_items = 0;
};

Result<Head> read_head(std::string_view line, const std::string& path) {
  const auto json = Json::parse(line, {.depth = 4, .values = 64});
  const Error wrong{ErrorCode::kDataLoss, path + ":1: not a sealed suite of this version"};
  if (!json.ok() || !json->is_object()) return wrong;
  Opened r(*json);
  Head head;
  const int64_t version = r.integer("firesteel_sealed");
  head.id = r.text("id");
  head.name = r.text("name");
  const int64_t n = r.integer("n_items");
  if (!r.good() || version != 1 || n < 1 || n > static_cast<int64_t>(kItemsMax)) return wrong;
  head.n_items = static_cast<size_t>(n);
  return head;
}

std::string_view take_line(std::string_view* text) {
  const std::string_view line = text->substr(0, text->find('\n'));
  text->remove_prefix(std::min(text->size(), line.size() + 1));
  return line;
}

std::string exposures_path(const std::string& path) { return path + ".exposures.json"; }

Result<Json> read_exposures(const std::string& path) {
  if (::access(exposures_path(path).c_str(), F_OK) != 0) return Json(Json::Object{});
  FS_TRY(const std::string text, read_file(exposures_path(path), kVaultBytesMax));
  auto json = Json::parse(text);
  if (!json.ok() || !json->is_object()) return Error{ErrorCode::kDataLoss, exposures_path(path) + ": cannot be read"};
  return json;
}

}  // namespace

Result<bool> make_vault_key(const std::string& path) {
  if (path.empty()) return Error{ErrorCode::kInvalidArgument, "no owner's key was named; --key FILE"};
  if (::access(path.c_str(), F_OK) == 0) {
    FS_TRY(const ServerSecret secret, ServerSecret::load(path));
    static_cast<void>(secret);
    return false;
  }
  FS_TRY_VOID(ServerSecret::fresh().save(path));
  return true;
}

Status seal_vault(const Suite& suite, const std::string& key_path, const std::string& out) {
  if (::access(out.c_str(), F_OK) == 0) return Error{ErrorCode::kFailedPrecondition, out + ": exists already"};
  FS_TRY(const ServerSecret secret, ServerSecret::load(key_path));
  const ServerSecret::DerivedKey key = secret.derive(ServerSecret::Purpose::kVault);
  if (suite.items.empty() || suite.items.size() > kItemsMax) return Error{ErrorCode::kInvalidArgument, suite.name + ": expected 1 to 1,000,000 items"};
  const std::string id = random_id_tail();
  std::string text = Json(Json::Object{{"firesteel_sealed", 1}, {"id", id}, {"name", suite.name}, {"n_items", static_cast<int64_t>(suite.items.size())}}).dump() + "\n";
  const auto add = [&](size_t place, const Json& content) {
    text += Json(Json::Object{{"sealed", base64(seal_text(key, context_of(id, place, suite.items.size()), content.dump()))}}).dump() + "\n";
  };
  Json settings(Json::Object{{"title", suite.title}, {"mode", eval_mode_name(suite.mode)}, {"temperature", suite.temperature}, {"max_tokens", suite.max_tokens},
                             {"by_logprob", suite.by_logprob}, {"system", suite.system}});
  if (suite.floor) settings.set("floor", *suite.floor);
  if (suite.goal) settings.set("goal", *suite.goal);
  add(0, settings);
  for (size_t i = 0; i < suite.items.size(); ++i) {
    if (!suite.items[i].images.empty()) return Error{ErrorCode::kUnsupported, suite.name + ": item " + suite.items[i].id + " has pictures, which are not sealed yet"};
    add(i + 1, item_json(suite.items[i]));
  }
  return write_file_atomic(out, text);
}

Result<Suite> open_vault(const std::string& path, const std::string& key_path, int64_t n_max) {
  if (key_path.empty()) return Error{ErrorCode::kInvalidArgument, path + ": is sealed; name the owner's key with --key or $FIRESTEEL_EVAL_KEY"};
  FS_TRY(const ServerSecret secret, ServerSecret::load(key_path));
  const ServerSecret::DerivedKey key = secret.derive(ServerSecret::Purpose::kVault), id_key = secret.derive(ServerSecret::Purpose::kVaultIds);
  FS_TRY(const std::string file, read_file(path, kVaultBytesMax));
  std::string_view text = file;
  FS_TRY(const Head head, read_head(take_line(&text), path));
  Suite suite;
  suite.name = head.name;
  suite.file = path;
  suite.sealed = true;
  const size_t n_wanted = n_max < 0 ? head.n_items : std::min(head.n_items, static_cast<size_t>(n_max));
  for (size_t place = 0; place <= n_wanted; ++place) {
    const std::string where = path + ":" + std::to_string(place + 2) + ": ";
    const auto line = Json::parse(take_line(&text), {.depth = 4, .values = 16});
    const Json* sealed = line.ok() ? line->find("sealed") : nullptr;
    const auto bytes = sealed != nullptr && sealed->is_string() ? decode_base64(sealed->as_string()) : Result<std::string>(Error{});
    if (!bytes.ok()) return Error{ErrorCode::kDataLoss, where + "expected a sealed text"};
    const std::optional<std::string> opened = open_sealed(key, context_of(head.id, place, head.n_items), *bytes);
    // The first one fails with a wrong key; once one has opened, a failure is damage.
    if (!opened && place == 0) return Error{ErrorCode::kUnauthenticated, path + ": does not open with the key " + key_path};
    if (!opened) return Error{ErrorCode::kDataLoss, where + "was changed or moved after it was sealed"};
    const auto json = Json::parse(*opened);
    const Error unknown{ErrorCode::kUnsupported, where + "was sealed by a program of another version"};
    if (!json.ok()) return unknown;
    if (place > 0) {
      std::optional<EvalItem> item = item_of(*json);
      if (!item) return unknown;
      item->id = hex(keyed_hash(id_key, head.id + " " + item->id)).substr(0, 16);
      suite.items.push_back(std::move(*item));
      continue;
    }
    Opened r(*json);
    suite.title = r.text("title");
    const auto mode = eval_mode(r.text("mode"));
    suite.max_tokens = r.integer("max_tokens");
    suite.by_logprob = r.boolean("by_logprob");
    suite.system = r.text("system");
    if (!r.good() || !mode) return unknown;
    suite.mode = *mode;
    const auto number = [&](const char* name) {
      const Json* value = json->find(name);
      return value != nullptr && value->is_number() ? std::optional<double>(value->as_double()) : std::nullopt;
    };
    suite.temperature = number("temperature").value_or(0);
    suite.floor = number("floor");
    suite.goal = number("goal");
  }
  // A digest of plain texts could be tried out against guesses; this one needs the key.
  suite.digest = hex(keyed_hash(id_key, head.id + " " + items_digest(suite.items))).substr(0, 32);
  return suite;
}

Status count_exposure(const Suite& suite, const std::string& version) {
  FS_TRY(Json all, read_exposures(suite.file));
  const Json* before = all.find(version);
  if (before == nullptr && all.as_object().size() >= kVersionsMax) return Error{ErrorCode::kResourceExhausted, exposures_path(suite.file) + ": counts 10,000 models already"};
  int64_t n_runs = 0;
  std::vector<int64_t> counts;
  if (before != nullptr && before->find("n_runs") != nullptr && before->find("items") != nullptr && before->find("n_runs")->is_int() && before->find("items")->is_array()) {
    n_runs = before->find("n_runs")->as_int();
    for (const Json& count : before->find("items")->as_array()) counts.push_back(count.is_int() ? count.as_int() : 0);
  }
  counts.resize(std::max(counts.size(), suite.items.size()));
  for (size_t i = 0; i < suite.items.size(); ++i) ++counts[i];
  all.set(version, Json::Object{{"n_runs", n_runs + 1}, {"items", Json::Array(counts.begin(), counts.end())}});
  return write_file_atomic(exposures_path(suite.file), all.dump() + "\n");
}

Result<VaultInfo> read_vault_info(const std::string& path) {
  FS_TRY(const std::string file, read_file(path, kVaultBytesMax));
  std::string_view text = file;
  FS_TRY(const Head head, read_head(take_line(&text), path));
  VaultInfo info;
  info.name = head.name;
  info.n_items = static_cast<int64_t>(head.n_items);
  FS_TRY(const Json exposures, read_exposures(path));
  for (const auto& [version, json] : exposures.as_object()) {
    VaultExposure exposure;
    exposure.version = version;
    if (const Json* n = json.find("n_runs"); n != nullptr && n->is_int()) exposure.n_runs = n->as_int();
    if (const Json* items = json.find("items"); items != nullptr && items->is_array()) {
      for (const Json& count : items->as_array()) {
        const int64_t n = count.is_int() ? count.as_int() : 0;
        exposure.n_items += n > 0 ? 1 : 0;
        exposure.n_max = std::max(exposure.n_max, n);
      }
    }
    info.exposures.push_back(std::move(exposure));
  }
  return info;
}

}  // namespace firesteel
