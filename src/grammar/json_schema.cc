#include "grammar/json_schema.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "grammar/json_primitives.h"
#include "grammar/regex.h"

namespace firesteel {
namespace {

// Keywords that say nothing about which values are valid.
const std::set<std::string_view> kAnnotations = {"title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly",
                                                 "$schema", "$id", "$comment", "$defs", "definitions", "$anchor", "contentEncoding", "contentMediaType"};

struct KeywordGroup {
  const char* type;
  std::set<std::string_view> keywords;
};
// Keywords that constrain one type only; they are handled where that type is built.
const std::vector<KeywordGroup> kTyped = {
    {"object", {"properties", "required", "additionalProperties"}},
    {"array", {"items", "prefixItems", "minItems", "maxItems"}},
    {"string", {"minLength", "maxLength", "pattern", "format"}},
    {"integer", {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}},
};
const std::set<std::string_view> kGeneral = {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "nullable"};
const std::vector<std::string> kAllTypes = {"object", "array", "string", "number", "boolean", "null"};

// Regular expressions of string formats (RFC 3339, RFC 4122, ISO 8601, RFC 1123, RFC 4291, RFC 3986). Of some a part only, so that what is written is
// valid: the common shape of email, host names of up to eight labels of 30 characters, IPv6 without an IPv4 tail, addresses with an authority.
const std::map<std::string_view, const char*> kFormats = {
    {"date", "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"},
    {"time", "^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"},
    {"date-time", "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"},
    {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    {"ipv4", "^((25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])$"},
    {"ipv6", "^(([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|::|::1|([0-9a-f]{1,4}:){1,6}:[0-9a-f]{1,4})$"},
    {"hostname", "^[A-Za-z0-9]([A-Za-z0-9-]{0,28}[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]{0,28}[A-Za-z0-9])?){0,7}$"},
    {"uri", "^[a-z][a-z0-9+.-]{1,20}://[A-Za-z0-9]([A-Za-z0-9.-]{0,200}[A-Za-z0-9])?(:[1-9][0-9]{0,3})?(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2}){0,200}){0,8}"
            "([?]([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2}){0,200})?(#([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2}){0,100})?$"},
    {"email", "^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\\.[A-Za-z0-9-]{1,63}){1,8}$"},
    // At least one part, and none left out between two (RFC 3339, appendix A).
    {"duration", "^P([0-9]{1,9}W|([0-9]{1,9}Y([0-9]{1,9}M([0-9]{1,9}D)?)?|[0-9]{1,9}M([0-9]{1,9}D)?|[0-9]{1,9}D)"
                 "(T([0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S))?"
                 "|T([0-9]{1,9}H([0-9]{1,9}M([0-9]{1,9}S)?)?|[0-9]{1,9}M([0-9]{1,9}S)?|[0-9]{1,9}S))$"},
};

// What is looked up or compared pair by pair.
constexpr size_t kMembersMax = 2'000;  // properties and required names of one object
constexpr size_t kOneOfMax = 256;

class Compiler {
 public:
  Compiler(const Json& root, const GrammarLimits& limits) : root_(root), builder_(limits), primitives_(&builder_) {}

  Result<Nfa> compile() {
    const NfaRule rule = builder_.declare_rule("#");
    refs_["#"] = rule;
    FS_TRY(const NfaNode start, schema(root_, "#", builder_.accept(), 0));
    builder_.define_rule(rule, start);
    return builder_.finish(rule);
  }

 private:
  static Error invalid(const std::string& place, const std::string& reason) { return Error{ErrorCode::kInvalidArgument, "schema at " + place + ": " + reason}; }
  static Error refused(const std::string& place, const std::string& reason) { return Error{ErrorCode::kUnsupported, "schema at " + place + ": " + reason}; }

  Result<NfaNode> schema(const Json& json, const std::string& place, NfaNode next, uint32_t depth) {
    if (depth > builder_.limits().depth) return invalid(place, "nested deeper than " + std::to_string(builder_.limits().depth));
    if (!builder_.ok()) return next;  // a limit was met: finish() reports it
    if (json.is_bool()) {
      if (json.as_bool()) return primitives_.any_value(next);
      return refused(place, "false allows no value");
    }
    if (!json.is_object()) return invalid(place, "expected an object or a boolean");
    FS_TRY(const std::vector<std::string> types, types_of(json, place));
    FS_TRY_VOID(check_keywords(json, place));

    if (const Json* ref = json.find("$ref")) return reference(json, *ref, place, next, depth);
    if (json.find("const") != nullptr && json.find("enum") != nullptr) return refused(place, "\"enum\" beside const");
    if (const Json* value = json.find("const")) return constants(Json::Array{*value}, json, place, types, next);
    if (const Json* values = json.find("enum")) {
      if (!values->is_array() || values->as_array().empty()) return invalid(place + "/enum", "expected a list with at least one value");
      return constants(values->as_array(), json, place, types, next);
    }
    for (const char* keyword : {"anyOf", "oneOf", "allOf"}) {
      if (const Json* branches = json.find(keyword)) return combination(json, keyword, *branches, place, next, depth);
    }
    std::vector<NfaNode> starts;
    for (const std::string& type : types) {
      FS_TRY(const NfaNode start, of_type(type, json, place, next, depth));
      starts.push_back(start);
    }
    if (const Json* nullable = json.find("nullable"); nullable != nullptr && nullable->is_bool() && nullable->as_bool()) {
      starts.push_back(builder_.literal("null", next));
    }
    if (starts.size() == kAllTypes.size() && only_annotations(json)) return primitives_.any_value(next);
    return builder_.any_of(starts);
  }

  static bool only_annotations(const Json& json) {
    return std::all_of(json.as_object().begin(), json.as_object().end(), [](const Json::Member& m) { return kAnnotations.contains(m.first); });
  }

  Result<std::vector<std::string>> types_of(const Json& json, const std::string& place) {
    const Json* type = json.find("type");
    std::vector<std::string> out;
    if (type == nullptr) {
      // Keywords of exactly one type name it; none at all means every type.
      std::vector<std::string> named;
      for (const KeywordGroup& group : kTyped) {
        if (std::any_of(group.keywords.begin(), group.keywords.end(), [&](std::string_view k) { return json.find(k) != nullptr; })) named.emplace_back(group.type);
      }
      if (named.size() > 1) return refused(place, "keywords of several types without \"type\"");
      if (named.size() == 1 && named[0] == "integer") return refused(place, "bounds need \"type\": \"integer\" or \"number\"");
      return named.empty() ? kAllTypes : named;
    }
    const auto add = [&](const Json& name) {
      if (!name.is_string()) return false;
      const std::string& text = name.as_string();
      if (text != "integer" && std::find(kAllTypes.begin(), kAllTypes.end(), text) == kAllTypes.end()) return false;
      out.push_back(text);
      return true;
    };
    if (type->is_array()) {
      for (const Json& name : type->as_array()) {
        if (!add(name)) return invalid(place + "/type", "unknown type " + name.dump());
      }
      if (out.empty()) return invalid(place + "/type", "expected at least one type");
    } else if (!add(*type)) {
      return invalid(place + "/type", "unknown type " + type->dump());
    }
    return out;
  }

  static bool is_any_string(const Json& json) {
    const Json* type = json.find("type");
    return type != nullptr && *type == Json("string") &&
           std::all_of(json.as_object().begin(), json.as_object().end(), [](const Json::Member& m) { return m.first == "type" || kAnnotations.contains(m.first); });
  }

  Status check_keywords(const Json& json, const std::string& place) {
    for (const auto& [key, value] : json.as_object()) {
      if (kAnnotations.contains(key) || kGeneral.contains(key)) continue;
      bool known = false;
      for (const KeywordGroup& group : kTyped) {
        if (!group.keywords.contains(key)) continue;
        known = true;  // one of another type is vacuous by the specification
      }
      // What libraries write without meaning anything by it.
      if (key == "uniqueItems" && value.is_bool() && !value.as_bool()) known = true;
      if (key == "propertyNames" && is_any_string(value)) known = true;
      if (!known) return refused(place + "/" + key, "keyword \"" + key + "\" is not supported");
    }
    return {};
  }

  Result<NfaNode> reference(const Json& json, const Json& ref, const std::string& place, NfaNode next, uint32_t depth) {
    for (const auto& [key, value] : json.as_object()) {
      if (key != "$ref" && !kAnnotations.contains(key)) return refused(place, "\"" + key + "\" beside $ref");
    }
    if (!ref.is_string()) return invalid(place + "/$ref", "expected a string");
    const std::string& target = ref.as_string();
    if (const auto known = refs_.find(target); known != refs_.end()) return builder_.call(known->second, next);
    FS_TRY(const Json* found, resolve(target, place));
    const NfaRule rule = builder_.declare_rule(target);
    if (!builder_.ok()) return next;
    refs_[target] = rule;
    FS_TRY(const NfaNode start, schema(*found, target, builder_.accept(), depth + 1));
    builder_.define_rule(rule, start);
    return builder_.call(rule, next);
  }

  // RFC 6901 pointers within this document.
  Result<const Json*> resolve(const std::string& target, const std::string& place) {
    if (target.empty() || target[0] != '#') return refused(place + "/$ref", "only references into this schema: \"" + target + "\"");
    const Json* json = &root_;
    size_t offset = 1;
    while (offset < target.size()) {
      if (target[offset] != '/') return invalid(place + "/$ref", "malformed pointer \"" + target + "\"");
      const size_t end = std::min(target.find('/', offset + 1), target.size());
      std::string token;
      for (size_t i = offset + 1; i < end; ++i) {
        if (target[i] == '~' && i + 1 < end && (target[i + 1] == '0' || target[i + 1] == '1')) {
          token.push_back(target[++i] == '0' ? '~' : '/');
        } else {
          token.push_back(target[i]);
        }
      }
      json = json->find(token);
      if (json == nullptr) return invalid(place + "/$ref", "\"" + target + "\" does not exist");
      offset = end;
    }
    return json;
  }

  Result<NfaNode> constants(const Json::Array& values, const Json& json, const std::string& place, const std::vector<std::string>& types, NfaNode next) {
    for (const auto& [key, value] : json.as_object()) {
      if (key != "const" && key != "enum" && key != "type" && key != "nullable" && !kAnnotations.contains(key)) {
        return refused(place, "\"" + key + "\" beside enum or const");
      }
    }
    std::vector<NfaNode> starts;
    for (const Json& value : values) {
      if (json.find("type") != nullptr && !has_type(value, types)) continue;
      starts.push_back(builder_.literal(value.dump(), next));
    }
    if (const Json* nullable = json.find("nullable"); nullable != nullptr && nullable->is_bool() && nullable->as_bool()) {
      starts.push_back(builder_.literal("null", next));
    }
    if (starts.empty()) return invalid(place, "no value of enum or const has the given type");
    return builder_.any_of(starts);
  }

  static bool has_type(const Json& value, const std::vector<std::string>& types) {
    for (const std::string& type : types) {
      if (type == type_name(value)) return true;
      if (type == "number" && value.is_number()) return true;
      if (type == "integer" && value.is_double() && value.as_double() == std::floor(value.as_double())) return true;
    }
    return false;
  }

  static std::string type_name(const Json& value) {
    if (value.is_null()) return "null";
    if (value.is_bool()) return "boolean";
    if (value.is_int()) return "integer";
    if (value.is_double()) return "number";
    if (value.is_string()) return "string";
    return value.is_array() ? "array" : "object";
  }

  Result<NfaNode> combination(const Json& json, const std::string& keyword, const Json& branches, const std::string& place, NfaNode next, uint32_t depth) {
    for (const auto& [key, value] : json.as_object()) {
      if (key != keyword && !kAnnotations.contains(key)) return refused(place, "\"" + key + "\" beside " + keyword);
    }
    const std::string at = place + "/" + keyword;
    if (!branches.is_array() || branches.as_array().empty()) return invalid(at, "expected a list with at least one schema");
    const Json::Array& list = branches.as_array();
    if (keyword == "allOf" && list.size() > 1) return refused(at, "only a single schema");
    if (keyword == "oneOf" && list.size() > kOneOfMax) return refused(at, "more than " + std::to_string(kOneOfMax) + " branches");
    if (keyword == "oneOf" && !disjoint(list)) return refused(at, "branches may overlap: use anyOf, or give each a different type or a property with a different const");
    std::vector<NfaNode> starts;
    for (size_t i = 0; i < list.size(); ++i) {
      FS_TRY(const NfaNode start, schema(list[i], at + "/" + std::to_string(i), next, depth + 1));
      starts.push_back(start);
    }
    return builder_.any_of(starts);
  }

  // True when no value can satisfy two of the branches.
  bool disjoint(const Json::Array& branches) {
    for (size_t i = 0; i < branches.size(); ++i) {
      for (size_t j = i + 1; j < branches.size(); ++j) {
        if (!disjoint(follow(branches[i]), follow(branches[j]))) return false;
      }
    }
    return true;
  }

  const Json& follow(const Json& branch) {
    const Json* ref = branch.find("$ref");
    if (ref == nullptr || !ref->is_string()) return branch;
    const auto found = resolve(ref->as_string(), "#");
    return found.ok() ? *found.value() : branch;
  }

  static bool disjoint(const Json& a, const Json& b) {
    const Json* type_a = a.find("type");
    const Json* type_b = b.find("type");
    if (type_a == nullptr || type_b == nullptr || !type_a->is_string() || !type_b->is_string()) return false;
    const std::string& name_a = type_a->as_string();
    const std::string& name_b = type_b->as_string();
    const auto takes_null = [](const Json& json, const std::string& name) {
      const Json* nullable = json.find("nullable");
      return name == "null" || (nullable != nullptr && nullable->is_bool() && nullable->as_bool());
    };
    if (takes_null(a, name_a) && takes_null(b, name_b)) return false;
    const auto numeric = [](const std::string& n) { return n == "number" || n == "integer"; };
    if (name_a != name_b && !(numeric(name_a) && numeric(name_b))) return true;
    if (name_a != "object" || name_b != "object") return false;
    const Json* properties_a = a.find("properties");
    const Json* properties_b = b.find("properties");
    if (properties_a == nullptr || properties_b == nullptr || !properties_a->is_object()) return false;
    for (const auto& [key, value] : properties_a->as_object()) {
      const Json* other = properties_b->find(key);
      if (other == nullptr || !requires_property(a, key) || !requires_property(b, key)) continue;
      const Json* const_a = single_constant(value);
      const Json* const_b = single_constant(*other);
      if (const_a == nullptr || const_b == nullptr || const_a->is_object() || const_b->is_object()) continue;  // their order means nothing
      if (const_a->dump() != const_b->dump()) return true;  // 1 and 1.0 are one value
    }
    return false;
  }

  static bool requires_property(const Json& json, std::string_view key) {
    const Json* required = json.find("required");
    if (required == nullptr || !required->is_array()) return false;
    return std::any_of(required->as_array().begin(), required->as_array().end(), [&](const Json& r) { return r.is_string() && r.as_string() == key; });
  }

  static const Json* single_constant(const Json& json) {
    if (const Json* value = json.find("const")) return value;
    const Json* values = json.find("enum");
    return values != nullptr && values->is_array() && values->as_array().size() == 1 ? &values->as_array()[0] : nullptr;
  }

  Result<NfaNode> of_type(const std::string& type, const Json& json, const std::string& place, NfaNode next, uint32_t depth) {
    if (type == "object") return object(json, place, next, depth);
    if (type == "array") return array(json, place, next, depth);
    if (type == "string") return string(json, place, next);
    if (type == "integer") return integer(json, place, next);
    if (type == "number") return number(json, place, next);
    if (type == "boolean") return primitives_.boolean(next);
    return builder_.literal("null", next);
  }

  Result<std::optional<int64_t>> count(const Json& json, const char* keyword, const std::string& place) {
    const Json* value = json.find(keyword);
    if (value == nullptr) return std::optional<int64_t>();
    if (!value->is_int() || value->as_int() < 0) return invalid(place + "/" + keyword, "expected an integer that is not negative");
    return std::optional(value->as_int());
  }

  Result<NfaNode> string(const Json& json, const std::string& place, NfaNode next) {
    FS_TRY(const auto n_min, count(json, "minLength", place));
    FS_TRY(const auto n_max, count(json, "maxLength", place));
    if (n_min && n_max && *n_min > *n_max) return invalid(place, "minLength is above maxLength");
    const Json* pattern = json.find("pattern");
    const Json* format = json.find("format");
    if (pattern == nullptr && format == nullptr) return primitives_.string_of_length(n_min.value_or(0), n_max.value_or(-1), next);
    if (n_min || n_max || (pattern != nullptr && format != nullptr)) return refused(place, "pattern, format and length together");
    const Json& text = pattern != nullptr ? *pattern : *format;
    if (!text.is_string()) return invalid(place, "pattern and format are strings");
    std::string source = text.as_string();
    if (format != nullptr) {
      const auto known = kFormats.find(source);
      if (known == kFormats.end()) return refused(place + "/format", "format \"" + source + "\" is not supported");
      source = known->second;
    }
    const auto regex = parse_regex(source, builder_.limits());
    if (!regex.ok()) return invalid(place + "/pattern", regex.error().message);
    return builder_.bytes('"', '"', build_pattern(&builder_, *regex, TextForm::kJsonString, builder_.bytes('"', '"', next)));
  }

  Result<NfaNode> integer(const Json& json, const std::string& place, NfaNode next) {
    std::optional<int64_t> low;
    std::optional<int64_t> high;
    for (const auto& [keyword, is_low, step] : {std::tuple{"minimum", true, 0}, {"exclusiveMinimum", true, 1}, {"maximum", false, 0}, {"exclusiveMaximum", false, -1}}) {
      const Json* value = json.find(keyword);
      if (value == nullptr) continue;
      const std::string at = place + "/" + keyword;
      if (!value->is_number() || std::fabs(value->as_double()) > 1e18) return invalid(at, "expected a number of at most 10^18");
      // 2.5 as a minimum means 3; an exclusive bound that is not whole excludes nothing more.
      int64_t bound = static_cast<int64_t>(is_low ? std::ceil(value->as_double()) : std::floor(value->as_double()));
      if (value->is_int()) bound = value->as_int();
      if (static_cast<double>(bound) == value->as_double() || value->is_int()) bound += step;
      if (is_low) {
        low = low ? std::max(*low, bound) : bound;
      } else {
        high = high ? std::min(*high, bound) : bound;
      }
    }
    if (low && high && *low > *high) return invalid(place, "no integer lies between the bounds");
    return primitives_.integer_between(low, high, next);
  }

  Result<NfaNode> number(const Json& json, const std::string& place, NfaNode next) {
    using Bound = JsonPrimitives::Bound;
    std::optional<Bound> low, high;
    for (const auto& [keyword, is_low, is_exclusive] : {std::tuple{"minimum", true, false}, {"exclusiveMinimum", true, true}, {"maximum", false, false}, {"exclusiveMaximum", false, true}}) {
      const Json* value = json.find(keyword);
      if (value == nullptr) continue;
      const std::string at = place + "/" + keyword;
      if (!value->is_number() || !(std::fabs(value->as_double()) <= static_cast<double>(JsonPrimitives::kBoundMax))) return invalid(at, "expected a number of at most 10^15");
      if (std::floor(value->as_double()) != value->as_double()) return refused(at, "bounds of numbers are whole numbers here, found " + value->dump());
      const Bound bound{static_cast<int64_t>(value->as_double()), is_exclusive};
      std::optional<Bound>& side = is_low ? low : high;
      const bool is_tighter = !side || (is_low ? bound.value > side->value : bound.value < side->value) || (bound.value == side->value && is_exclusive);
      if (is_tighter) side = bound;
    }
    if (!low && !high) return primitives_.number(next);
    const bool is_empty = low && high && (low->value > high->value || (low->value == high->value && (low->is_exclusive || high->is_exclusive)));
    if (is_empty) return invalid(place, "no number lies between the bounds");
    // Two neighbours so large that a double has little between them: nothing could be written.
    if (low && high && low->is_exclusive && high->is_exclusive && high->value - low->value == 1 && std::to_string(std::abs(low->value)).size() >= 14) {
      return refused(place, "bounds that are neighbours of 14 digits or more");
    }
    return primitives_.number_between(low, high, next);
  }

  Result<NfaNode> array(const Json& json, const std::string& place, NfaNode next, uint32_t depth) {
    FS_TRY(const auto n_min_given, count(json, "minItems", place));
    FS_TRY(const auto n_max_given, count(json, "maxItems", place));
    const int64_t n_min = n_min_given.value_or(0);
    const int64_t n_max = n_max_given.value_or(-1);
    if (n_max >= 0 && n_min > n_max) return invalid(place, "minItems is above maxItems");
    const Json* prefix = json.find("prefixItems");
    const Json* items = json.find("items");
    if (prefix != nullptr && !prefix->is_array()) return invalid(place + "/prefixItems", "expected a list");
    const int64_t n_prefix = prefix == nullptr ? 0 : static_cast<int64_t>(prefix->as_array().size());
    const bool more = !(items != nullptr && items->is_bool() && !items->as_bool());
    const NfaNode end = builder_.bytes(']', ']', next);
    const NfaNode close = primitives_.space(end);
    if (n_max == 0 || (!more && n_prefix == 0)) {
      if (n_min > 0) return invalid(place, "minItems cannot be met");
      return builder_.bytes('[', '[', close);
    }
    if (!more && n_min > n_prefix) return invalid(place, "minItems cannot be met");
    static const Json kAny(true);
    const Json& items_schema = items != nullptr ? *items : kAny;
    if (n_prefix == 0 && n_min <= 1 && n_max < 0) {  // the common list: one copy of the item, in a loop
      const NfaNode after = builder_.node();
      FS_TRY(const NfaNode item, schema(items_schema, place + "/items", after, depth + 1));
      builder_.link(after, close);
      builder_.link(after, primitives_.comma(item));
      return builder_.bytes('[', '[', primitives_.space(n_min == 0 ? builder_.any_of({end, item}) : item));
    }
    // Otherwise the item stands in several places: a rule, so that nested lists do not multiply.
    std::optional<NfaRule> item_rule;
    if (more) {
      item_rule = builder_.declare_rule(place + "/items");
      FS_TRY(const NfaNode start, schema(items_schema, place + "/items", builder_.accept(), depth + 1));
      builder_.define_rule(*item_rule, start);
    }
    const auto further = [&](NfaNode after) { return primitives_.comma(builder_.call(*item_rule, after)); };
    // From the back: tail is what may follow the items so far; the first one stands apart because no comma precedes it.
    const int64_t n_fixed = std::max<int64_t>(n_prefix, 1);
    NfaNode tail = close;
    if (more && (n_max < 0 || n_max > n_fixed)) {
      tail = builder_.repeat(std::max<int64_t>(0, n_min - n_fixed), n_max < 0 ? -1 : n_max - n_fixed, close, further);
    }
    for (int64_t i = n_fixed - 1; i >= 0; --i) {
      if (n_max >= 0 && i >= n_max) continue;  // there is no such item
      NfaNode item = tail;
      if (i < n_prefix) {
        FS_TRY(item, schema(prefix->as_array()[static_cast<size_t>(i)], place + "/prefixItems/" + std::to_string(i), tail, depth + 1));
      } else {
        item = builder_.call(*item_rule, tail);
      }
      const bool may_end_before = i >= n_min;
      if (i > 0) {
        item = primitives_.comma(item);
        tail = may_end_before ? builder_.any_of({close, item}) : item;
      } else {
        tail = may_end_before ? builder_.any_of({end, item}) : item;
      }
    }
    return builder_.bytes('[', '[', primitives_.space(tail));
  }

  Result<NfaNode> object(const Json& json, const std::string& place, NfaNode next, uint32_t depth) {
    static const Json kNothing{Json::Object{}};
    const Json* properties_json = json.find("properties");
    const Json& properties = properties_json == nullptr ? kNothing : *properties_json;
    if (!properties.is_object()) return invalid(place + "/properties", "expected an object");
    if (properties.as_object().size() > kMembersMax) return refused(place + "/properties", "more than " + std::to_string(kMembersMax));
    std::set<std::string> required;
    if (const Json* list = json.find("required")) {
      if (!list->is_array()) return invalid(place + "/required", "expected a list of names");
      if (list->as_array().size() > kMembersMax) return refused(place + "/required", "more than " + std::to_string(kMembersMax));
      for (const Json& name : list->as_array()) {
        if (!name.is_string()) return invalid(place + "/required", "expected a list of names");
        if (properties.find(name.as_string()) == nullptr) return refused(place + "/required", "\"" + name.as_string() + "\" is not among the properties");
        required.insert(name.as_string());
      }
    }
    const Json* additional = json.find("additionalProperties");
    // Without a word about further properties the specification allows them; models that are given a list of properties are meant to
    // fill that list, and every peer reads it so. {"type": "object"} alone stays any object.
    const bool closed = additional == nullptr ? !properties.as_object().empty() : (additional->is_bool() && !additional->as_bool());
    if (!closed && properties.as_object().empty() && (additional == nullptr || additional->is_bool())) return primitives_.any_object(next);
    if (!closed && !properties.as_object().empty()) {
      return refused(place + "/additionalProperties", "further properties beside named ones: a further name could repeat a named one");
    }

    const NfaNode end = builder_.bytes('}', '}', next);
    const NfaNode close = primitives_.space(end);
    if (!closed) {  // a map: any names, values of one schema
      const NfaNode after = builder_.node();
      FS_TRY(const NfaNode value, schema(*additional, place + "/additionalProperties", after, depth + 1));
      const NfaNode member = primitives_.string(primitives_.colon(value));
      builder_.link(after, close);
      builder_.link(after, primitives_.comma(member));
      return builder_.bytes('{', '{', primitives_.space(builder_.any_of({end, member})));
    }
    // From the back. rest: the members from i on when one was written already; first: when none was.
    NfaNode rest = close;
    NfaNode first = end;
    const Json::Object& members = properties.as_object();
    for (size_t i = members.size(); i > 0; --i) {
      const auto& [name, value_schema] = members[i - 1];
      FS_TRY(const NfaNode value, schema(value_schema, place + "/properties/" + name, rest, depth + 1));
      std::string key;
      append_json_string(&key, name);
      const NfaNode member = builder_.literal(key, primitives_.colon(value));
      const NfaNode following = primitives_.comma(member);
      const bool optional = !required.contains(name);
      rest = optional ? builder_.any_of({following, rest}) : following;
      first = optional ? builder_.any_of({member, first}) : member;
    }
    return builder_.bytes('{', '{', primitives_.space(first));
  }

  const Json& root_;
  NfaBuilder builder_;
  JsonPrimitives primitives_;
  std::map<std::string, NfaRule> refs_;
};

}  // namespace

Result<Nfa> compile_json_schema(const Json& schema, const GrammarLimits& limits) { return Compiler(schema, limits).compile(); }

Result<Nfa> compile_any_json_object(const GrammarLimits& limits) {
  NfaBuilder builder(limits);
  JsonPrimitives primitives(&builder);
  const NfaRule root = builder.declare_rule("#");
  builder.define_rule(root, primitives.any_object(builder.accept()));
  return builder.finish(root);
}

}  // namespace firesteel
