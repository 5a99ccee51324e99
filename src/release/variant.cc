#include "release/variant.h"

#include <algorithm>

#include "release/record_reader.h"
#include "tenants/crypto.h"

namespace firesteel {
namespace {

bool is_digest(const std::string& text) {
  return text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

bool is_release_name(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  const auto is_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return is_word(name.front()) && std::all_of(name.begin(), name.end(), [&](char c) { return is_word(c) || c == '.' || c == '_' || c == '-'; });
}

Result<VariantSpec> variant_from_json(const Json& json, std::string_view where) {
  VariantSpec spec;
  Status status;
  RecordReader r(json, std::string(where), &status);
  r.text("base", &spec.base);
  r.text("adapter", &spec.adapter);
  r.text("chat_template", &spec.chat_template);
  r.text("system", &spec.system, 64 << 10);
  for (const auto& [key, value] : {std::pair<const char*, const std::string&>("base", spec.base), {"adapter", spec.adapter}, {"chat_template", spec.chat_template}}) {
    if (!is_digest(value)) r.fail(key, "a digest in lower-case hexadecimal digits");
  }
  if (const Json* settings = r.object("settings")) {
    // Read in this order, so that equal settings have one text.
    Json::Object out;
    RecordReader s(*settings, std::string(where) + ": settings", &status);
    const auto number = [&](const char* key, double low, double high) {
      double value = 0;
      s.number(key, low, high, &value);
      if (s.has(key)) out.emplace_back(key, value);
    };
    number("temperature", 0, 10);
    number("top_p", 0, 1);
    number("min_p", 0, 1);
    number("repetition_penalty", 0.1, 10);
    for (const char* key : {"top_k", "max_tokens"}) {
      int64_t value = 0;
      s.integer(key, 0, 1 << 20, &value);
      if (s.has(key)) out.emplace_back(key, value);
    }
    bool thinking = false;
    s.boolean("thinking", &thinking);
    if (s.has("thinking")) out.emplace_back("thinking", thinking);
    s.finish();
    spec.settings = Json(std::move(out));
  }
  r.finish();
  if (!status.ok()) return status.error();
  return spec;
}

Json variant_json(const VariantSpec& spec) {
  return Json::Object{{"base", spec.base}, {"adapter", spec.adapter}, {"chat_template", spec.chat_template}, {"system", spec.system}, {"settings", spec.settings}};
}

std::string variant_digest(const VariantSpec& spec) { return hex(plain_hash(variant_json(spec).dump())); }

}  // namespace firesteel
