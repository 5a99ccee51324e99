// A variant: everything that decides how a name answers. Content-addressed, so "which version was that?" has one answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace firesteel {

struct VariantSpec {
  std::string base;            // digest of the model's content (ModelInfo::digest)
  std::string adapter = {};    // digest of the adapter's file, hexadecimal; empty: none
  std::string chat_template = {};  // digest of the template's source; empty: the model's own
  std::string system = {};     // stands before each conversation; empty: none
  Json settings = Json(Json::Object{});  // of kSettings, each optional: used where a request says nothing

  bool operator==(const VariantSpec&) const = default;
};

// "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "thinking" (a boolean). Base and adapter: hexadecimal or
// empty, at most 128 digits; system at most 64 KiB. kInvalidArgument.
Result<VariantSpec> variant_from_json(const Json& json, std::string_view where);
Json variant_json(const VariantSpec& spec);
// BLAKE2b-256 of the canonical JSON, 64 hexadecimal digits.
std::string variant_digest(const VariantSpec& spec);

struct Variant {
  std::string name;            // what users ask for: "kindling"
  int64_t number = 0;          // 1, 2, 3 ... within the name
  std::string digest;
  VariantSpec spec;
  int64_t created_us = 0;
  std::string created_by = {};
  std::string dataset = {};    // what it was tuned on, "loans@7" or a digest
  std::string report = {};     // its report card: a path or digest
  std::string note = {};
};

bool is_release_name(std::string_view name);   // 1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit

}  // namespace firesteel
