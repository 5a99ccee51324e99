// Methods of strings, lists, dicts and a few others: value.name(arguments).
#include <algorithm>
#include <iterator>

#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_runtime.h"

namespace firesteel::jinja {
namespace {

using Method = bool (*)(Runtime* rt, const Value& self, const Arguments& arguments, Value* out);

bool given(const Value& value) { return !value.is(Kind::kMissing); }
bool given_and_not_none(const Value& value) { return given(value) && !value.is(Kind::kNone); }

bool fail_type(Runtime* rt, const char* what, const Value& value) {
  if (value.is_undefined()) return rt->fail_undefined(value);
  return rt->fail(std::string(what) + ", found " + type_name(value));
}

bool finish(Runtime* rt, const TextView& view, Value* out) {
  Text text = rt->new_text();
  text.append(view);
  return rt->finish(std::move(text), out);
}

bool finish_parts(Runtime* rt, const TextView& text, const std::vector<Range>& parts, Value* out) {
  std::vector<Value> items;
  items.reserve(parts.size());
  for (const auto& [from, to] : parts) {
    Text part;
    part.append(text.substr(from, to));
    items.push_back(rt->heap.string(std::move(part)));
    if (!rt->tick()) return false;
  }
  return rt->finish(std::move(items), out);
}

size_t parts_max(Runtime* rt) { return rt->heap.headroom_bytes() / (sizeof(StringObject) + sizeof(Value) + sizeof(Range)); }

// --- strings

template <bool kLeft, bool kRight>
bool strip_text(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value chars;
  if (!bind_arguments(rt, "strip", arguments, {"chars"}, &chars)) return false;
  if (given_and_not_none(chars) && !chars.is_string()) return fail_type(rt, "strip needs a string of characters", chars);
  const std::string_view set = chars.is_string() ? chars.bytes() : std::string_view();
  if (!rt->tick_bytes(self.bytes().size() + set.size())) return false;
  return finish(rt, strip(self.text(), chars.is_string() ? &set : nullptr, kLeft, kRight), out);
}

template <bool kFromRight>
bool split_text(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value slots[2];
  if (!bind_arguments(rt, "split", arguments, {"sep", "maxsplit"}, slots)) return false;
  if (given_and_not_none(slots[0]) && !slots[0].is_string()) return fail_type(rt, "split needs a string", slots[0]);
  if (given(slots[1]) && !slots[1].is_integral()) return fail_type(rt, "split needs an integer", slots[1]);
  const std::string_view separator = slots[0].is_string() ? slots[0].bytes() : std::string_view();
  if (slots[0].is_string() && separator.empty()) return rt->fail("split: empty separator");
  std::vector<Range> parts;
  if (!rt->tick_bytes(self.bytes().size())) return false;
  const int64_t max_splits = given(slots[1]) ? slots[1].integer() : -1;
  if (!split(self.bytes(), slots[0].is_string() ? &separator : nullptr, max_splits, kFromRight, parts_max(rt), &parts)) return rt->fail_too_large();
  return finish_parts(rt, self.text(), parts, out);
}

bool split_lines_of(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value keep;
  std::vector<Range> parts;
  if (!bind_arguments(rt, "splitlines", arguments, {"keepends"}, &keep) || !rt->tick_bytes(self.bytes().size())) return false;
  if (!split_lines(self.bytes(), truth(keep), parts_max(rt), &parts)) return rt->fail_too_large();
  return finish_parts(rt, self.text(), parts, out);
}

template <bool kFromRight>
bool partition(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value separator;
  if (!bind_arguments(rt, "partition", arguments, {"sep"}, &separator)) return false;
  if (!separator.is_string() || separator.text().empty()) return fail_type(rt, "partition needs a separator", separator);
  const TextView text = self.text();
  if (!rt->tick_bytes(text.size())) return false;
  const size_t hit = kFromRight ? rfind_bytes(text.bytes(), separator.bytes()) : find_bytes(text.bytes(), separator.bytes(), 0);
  std::vector<Value> parts(3);
  const TextView nothing;
  const bool found = hit != std::string_view::npos;
  const TextView before = found ? text.substr(0, hit) : kFromRight ? nothing : text;
  const TextView after = found ? text.substr(hit + separator.bytes().size()) : kFromRight ? text : nothing;
  if (!finish(rt, before, &parts[0]) || !finish(rt, found ? separator.text() : nothing, &parts[1]) || !finish(rt, after, &parts[2])) return false;
  return rt->finish(std::move(parts), out, Kind::kTuple);
}

// Narrows `text` to text[start:end] in characters; *offset is how many characters were left out in front.
bool sub_range(Runtime* rt, const TextView& text, const Value& start, const Value& end, TextView* out, int64_t* offset) {
  *out = text;
  *offset = 0;
  if (!given_and_not_none(start) && !given_and_not_none(end)) return true;
  if ((given_and_not_none(start) && !start.is_integral()) || (given_and_not_none(end) && !end.is_integral())) return rt->fail("positions must be integers");
  const int64_t n = static_cast<int64_t>(count_code_points(text.bytes()));
  const auto place = [&](const Value& v, int64_t absent) {
    if (!given_and_not_none(v)) return absent;
    const int64_t i = v.integer();
    return i < 0 ? std::max<int64_t>(i < -n ? 0 : i + n, 0) : i;
  };
  const int64_t from = place(start, 0);
  const int64_t to = std::min(place(end, n), n);
  *offset = from;
  if (from > n || from > to) {
    *offset = -1;  // nothing is found there, not even the empty string
    *out = TextView();
    return true;
  }
  *out = text.substr(byte_offset(text.bytes(), static_cast<size_t>(from)), byte_offset(text.bytes(), static_cast<size_t>(to)));
  return true;
}

enum class Search { kFind, kRfind, kIndex, kRindex, kCount };

template <Search kSearch>
bool search(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value slots[3];
  if (!bind_arguments(rt, "find, index or count", arguments, {"sub", "start", "end"}, slots)) return false;
  if (!slots[0].is_string()) return fail_type(rt, "a string is needed", slots[0]);
  TextView text;
  int64_t offset = 0;
  if (!rt->tick_bytes(self.bytes().size() * 2) || !sub_range(rt, self.text(), slots[1], slots[2], &text, &offset)) return false;
  const std::string_view needle = slots[0].bytes();
  if (kSearch == Search::kCount) {
    int64_t n = 0;
    if (needle.empty()) {
      n = offset < 0 ? 0 : static_cast<int64_t>(count_code_points(text.bytes())) + 1;
    } else {
      for (size_t i = find_bytes(text.bytes(), needle, 0); i != std::string_view::npos; i = find_bytes(text.bytes(), needle, i + needle.size())) ++n;
    }
    *out = Value::integer(n);
    return true;
  }
  const bool from_right = kSearch == Search::kRfind || kSearch == Search::kRindex;
  size_t hit = std::string_view::npos;
  if (offset >= 0) hit = from_right ? rfind_bytes(text.bytes(), needle) : find_bytes(text.bytes(), needle, 0);
  if (hit == std::string_view::npos && (kSearch == Search::kIndex || kSearch == Search::kRindex)) return rt->fail("substring not found");
  *out = Value::integer(hit == std::string_view::npos ? -1 : offset + static_cast<int64_t>(count_code_points(text.bytes().substr(0, hit))));
  return true;
}

template <bool kAtEnd>
bool has_affix(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value slots[3];
  if (!bind_arguments(rt, "startswith or endswith", arguments, {"prefix", "start", "end"}, slots)) return false;
  TextView text;
  int64_t offset = 0;
  if (!sub_range(rt, self.text(), slots[1], slots[2], &text, &offset)) return false;
  const auto matches = [&](const Value& affix, bool* result) {
    if (!affix.is_string()) return fail_type(rt, "a string or tuple of strings is needed", affix);
    *result = offset >= 0 && (kAtEnd ? text.bytes().ends_with(affix.bytes()) : text.bytes().starts_with(affix.bytes()));
    return rt->tick_bytes(affix.bytes().size());
  };
  bool result = false;
  if (slots[0].is(Kind::kTuple)) {
    for (const Value& affix : slots[0].items()) {
      if (!matches(affix, &result)) return false;
      if (result) break;
    }
  } else if (!matches(slots[0], &result)) {
    return false;
  }
  *out = Value::boolean(result);
  return true;
}

template <bool kAtEnd>
bool remove_affix(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value affix;
  if (!bind_arguments(rt, "removeprefix or removesuffix", arguments, {"prefix"}, &affix)) return false;
  if (!affix.is_string()) return fail_type(rt, "a string is needed", affix);
  const TextView text = self.text();
  const size_t n = affix.bytes().size();
  if (!rt->tick_bytes(text.size())) return false;
  if (!(kAtEnd ? text.bytes().ends_with(affix.bytes()) : text.bytes().starts_with(affix.bytes()))) return finish(rt, text, out);
  return finish(rt, kAtEnd ? text.substr(0, text.size() - n) : text.substr(n), out);
}

bool replace_in(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value slots[3];
  if (!bind_arguments(rt, "replace", arguments, {"old", "new", "count"}, slots)) return false;
  if (!slots[0].is_string() || !slots[1].is_string()) return fail_type(rt, "replace needs two strings", slots[slots[0].is_string() ? 1 : 0]);
  if (given(slots[2]) && !slots[2].is_integral()) return fail_type(rt, "replace needs an integer", slots[2]);
  if (!rt->tick_bytes(self.bytes().size() * 4)) return false;
  Text text = rt->new_text();
  append_replaced(self.text(), slots[0].bytes(), slots[1].text(), given(slots[2]) ? slots[2].integer() : -1, &text);
  return rt->finish(std::move(text), out);
}

template <CaseRule kRule>
bool change_case(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  if (!bind_arguments(rt, "the method", arguments, {}, nullptr) || !rt->tick_bytes(self.bytes().size() * 4)) return false;
  Text text = rt->new_text();
  append_case(self.text(), kRule, &text);
  return rt->finish(std::move(text), out);
}

bool join(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value sequence;
  std::vector<Value> items;
  if (!bind_arguments(rt, "join", arguments, {"iterable"}, &sequence)) return false;
  if (!given(sequence)) return rt->fail("join needs a list");
  if (!iterate(rt, sequence, &items)) return false;
  Text text = rt->new_text();
  for (size_t i = 0; i < items.size(); ++i) {
    if (!items[i].is_string()) return fail_type(rt, "join needs strings", items[i]);
    if (i > 0) text.append(self.text());
    text.append(items[i].text());
    if (text.overflowed()) return rt->fail_too_large();
    if (!rt->tick_bytes(items[i].bytes().size())) return false;
  }
  return rt->finish(std::move(text), out);
}

enum class CharTest { kAlpha, kDigit, kAlnum, kSpace };

template <CharTest kTest>
bool all_chars(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  if (!bind_arguments(rt, "the method", arguments, {}, nullptr) || !rt->tick_bytes(self.bytes().size() * 4)) return false;
  bool all = !self.text().empty();
  for_each_char(self.bytes(), [&](const Utf8Char& c, size_t) {
    const uint32_t cp = c.code_point;
    switch (kTest) {
      case CharTest::kAlpha: all = all && is_alphabetic(cp); break;
      case CharTest::kDigit: all = all && is_digit(cp); break;
      case CharTest::kAlnum: all = all && (is_alphabetic(cp) || is_digit(cp)); break;
      case CharTest::kSpace: all = all && is_space(cp); break;
    }
  });
  *out = Value::boolean(all);
  return true;
}

template <bool kUpper>
bool all_cased(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  bool result = false;
  if (!call_test(rt, find_test(kUpper ? "upper" : "lower"), self, arguments, &result)) return false;
  *out = Value::boolean(result);
  return true;
}

enum class Justify { kLeft, kRight, kCenter, kZeros };

template <Justify kJustify>
bool justify(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value slots[2];
  if (!bind_arguments(rt, "the method", arguments, {"width", "fillchar"}, slots)) return false;
  if (!slots[0].is_integral()) return fail_type(rt, "a width is needed", slots[0]);
  if (given(slots[1]) && (!slots[1].is_string() || count_code_points(slots[1].bytes()) != 1)) return rt->fail("the fill character must be one character");
  const int64_t width = slots[0].integer();
  const int64_t n = static_cast<int64_t>(count_code_points(self.bytes()));
  if (width <= n) return finish(rt, self.text(), out);
  if (static_cast<uint64_t>(width) > rt->text_bytes_max()) return rt->fail_too_large();
  const int64_t pad = width - n;
  const int64_t half = pad / 2 + (pad & width & 1);  // CPython's choice of side for the odd one
  const int64_t left = kJustify == Justify::kLeft ? 0 : kJustify == Justify::kCenter ? half : pad;
  const TextView fill = slots[1].is_string() ? slots[1].text() : TextView(kJustify == Justify::kZeros ? "0" : " ", false);
  if (!rt->tick(1 + static_cast<uint64_t>(pad) / 32)) return false;
  Text text = rt->new_text();
  TextView body = self.text();
  if (kJustify == Justify::kZeros && !body.empty() && (body.bytes()[0] == '-' || body.bytes()[0] == '+')) {
    text.append(body.substr(0, 1));
    body = body.substr(1);
  }
  for (int64_t i = 0; i < left; ++i) text.append(fill);
  text.append(body);
  for (int64_t i = left; i < pad; ++i) text.append(fill);
  return rt->finish(std::move(text), out);
}

// --- lists and dicts

bool normal_position(Runtime* rt, const Value& index, size_t n, const char* what, size_t* out) {
  if (!index.is_integral()) return fail_type(rt, "an integer is needed", index);
  const int64_t size = static_cast<int64_t>(n);
  const int64_t i = index.integer() < 0 ? index.integer() + size : index.integer();
  if (i < 0 || i >= size) return rt->fail(std::string(what) + " index out of range");
  *out = static_cast<size_t>(i);
  return true;
}

bool append(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value item;
  if (!bind_arguments(rt, "append", arguments, {"object"}, &item)) return false;
  if (!given(item)) return rt->fail("append needs a value");
  rt->heap.append(&self.as<ListObject>(), std::move(item));
  *out = Value::none();
  return true;
}

bool extend(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value sequence;
  std::vector<Value> items;
  if (!bind_arguments(rt, "extend", arguments, {"iterable"}, &sequence)) return false;
  if (!given(sequence)) return rt->fail("extend needs a list");
  if (!iterate(rt, sequence, &items)) return false;
  for (Value& item : items) rt->heap.append(&self.as<ListObject>(), std::move(item));
  *out = Value::none();
  return rt->tick();
}

bool insert(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value slots[2];
  if (!bind_arguments(rt, "insert", arguments, {"index", "object"}, slots)) return false;
  if (!slots[0].is_integral() || !given(slots[1])) return fail_type(rt, "insert needs a position and a value", slots[0]);
  auto& list = self.as<ListObject>();
  const int64_t n = static_cast<int64_t>(list.items.size());
  if (!rt->tick(1 + list.items.size() / 8)) return false;
  const int64_t at = slots[0].integer() < -n ? 0 : slots[0].integer() < 0 ? slots[0].integer() + n : std::min(slots[0].integer(), n);
  rt->heap.append(&list, std::move(slots[1]));
  std::rotate(list.items.begin() + static_cast<ptrdiff_t>(at), list.items.end() - 1, list.items.end());
  *out = Value::none();
  return true;
}

bool pop(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value slots[2];
  if (!bind_arguments(rt, "pop", arguments, {"key", "default"}, slots)) return false;
  if (self.is(Kind::kList)) {
    auto& items = self.as<ListObject>().items;
    size_t at = 0;
    if (!normal_position(rt, given(slots[0]) ? slots[0] : Value::integer(-1), items.size(), "pop", &at) || !rt->tick(1 + items.size() / 8)) return false;
    Value taken = std::move(items[at]);
    items.erase(items.begin() + static_cast<ptrdiff_t>(at));
    *out = std::move(taken);
    return true;
  }
  auto& items = self.as<DictObject>().items;
  if (!given(slots[0])) return rt->fail("pop needs a key");
  for (size_t i = 0; i < items.size(); ++i) {
    bool same = false;
    if (!equal(rt, items[i].first, slots[0], &same)) return false;
    if (!same) continue;
    Value taken = std::move(items[i].second);
    items.erase(items.begin() + static_cast<ptrdiff_t>(i));
    *out = std::move(taken);
    return true;
  }
  if (!given(slots[1])) return rt->fail("pop: no such key");
  *out = slots[1];
  return true;
}

bool reverse(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  if (!bind_arguments(rt, "reverse", arguments, {}, nullptr)) return false;
  auto& items = self.as<ListObject>().items;
  std::reverse(items.begin(), items.end());
  *out = Value::none();
  return rt->tick(1 + items.size() / 8);
}

bool clear(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  if (!bind_arguments(rt, "clear", arguments, {}, nullptr)) return false;
  if (self.is(Kind::kList)) self.as<ListObject>().items.clear();
  else self.as<DictObject>().items.clear();
  *out = Value::none();
  return true;
}

bool copy(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  if (!bind_arguments(rt, "copy", arguments, {}, nullptr)) return false;
  if (self.is(Kind::kList)) {
    std::vector<Value> items;
    return iterate(rt, self, &items) && rt->finish(std::move(items), out);
  }
  const auto& items = self.as<DictObject>().items;
  if (!rt->heap.fits(items.size() * sizeof(items[0])) || !rt->tick(1 + items.size() / 8)) return rt->fail_too_large();
  auto* dict = rt->heap.make<DictObject>(Kind::kDict);
  *out = Value(dict);
  for (const auto& [key, value] : items) rt->heap.append(dict, key, value);
  return true;
}

template <bool kCount>
bool find_item(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  if (self.is_string()) return search<kCount ? Search::kCount : Search::kIndex>(rt, self, arguments, out);
  Value wanted;
  if (!bind_arguments(rt, "index or count", arguments, {"value"}, &wanted)) return false;
  int64_t n = 0;
  const auto& items = self.items();
  for (size_t i = 0; i < items.size(); ++i) {
    bool same = false;
    if (!equal(rt, items[i], wanted, &same)) return false;
    n += same ? 1 : 0;
    if (same && !kCount) {
      *out = Value::integer(static_cast<int64_t>(i));
      return true;
    }
  }
  if (!kCount) return rt->fail("index: not in the list");
  *out = Value::integer(n);
  return true;
}

enum class DictPart { kItems, kKeys, kValues };

template <DictPart kPart>
bool dict_parts(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  if (!bind_arguments(rt, "the method", arguments, {}, nullptr)) return false;
  const auto& members = self.as<DictObject>().items;
  if (!rt->heap.fits(members.size() * (kPart == DictPart::kItems ? sizeof(ListObject) + 3 * sizeof(Value) : sizeof(Value)))) return rt->fail_too_large();
  if (!rt->tick(1 + members.size() / 4)) return false;
  std::vector<Value> items;
  items.reserve(members.size());
  for (const auto& [key, value] : members) {
    if (kPart == DictPart::kItems) items.push_back(rt->heap.list({key, value}, Kind::kTuple));
    else items.push_back(kPart == DictPart::kKeys ? key : value);
  }
  return rt->finish(std::move(items), out);
}

bool get(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value slots[2];
  bool found = false;
  if (!bind_arguments(rt, "get", arguments, {"key", "default"}, slots)) return false;
  if (!given(slots[0])) return rt->fail("get needs a key");
  if (!contains(rt, self, slots[0], &found)) return false;
  if (found) return get_item(rt, self, slots[0], out);
  *out = given(slots[1]) ? slots[1] : Value::none();
  return true;
}

bool set_default(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  Value slots[2];
  bool found = false;
  if (!bind_arguments(rt, "setdefault", arguments, {"key", "default"}, slots)) return false;
  if (!given(slots[0])) return rt->fail("setdefault needs a key");
  if (!contains(rt, self, slots[0], &found)) return false;
  if (found) return get_item(rt, self, slots[0], out);
  *out = given(slots[1]) ? slots[1] : Value::none();
  return set_item(rt, &self.as<DictObject>(), slots[0], *out);
}

// dict(...) and dict.update(...): a mapping or pairs, then keywords.
bool merge(Runtime* rt, DictObject* dict, const Arguments& arguments) {
  if (arguments.positional.size() > 1) return rt->fail("at most one positional argument is expected");
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    if (source.is(Kind::kDict)) {
      const auto members = source.as<DictObject>().items;  // a copy: it may be the same dict
      for (const auto& [key, value] : members) {
        if (!set_item(rt, dict, key, value)) return false;
      }
    } else {
      std::vector<Value> pairs;
      if (!iterate(rt, source, &pairs)) return false;
      for (const Value& pair : pairs) {
        if (!pair.is_list_or_tuple() || pair.items().size() != 2) return rt->fail("pairs of key and value are expected");
        if (!set_item(rt, dict, pair.items()[0], pair.items()[1])) return false;
      }
    }
  }
  for (const auto& [name, value, user] : arguments.named) {
    if (!set_item(rt, dict, rt->heap.string(name, user), value)) return false;
  }
  return true;
}

bool update(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  *out = Value::none();
  const Value dict = self;
  return merge(rt, &dict.as<DictObject>(), arguments);
}

// --- loop, cycler

bool cycle(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  if (arguments.positional.empty()) return rt->fail("no items for cycling given");
  *out = arguments.positional[self.as<LoopObject>().index % arguments.positional.size()];
  return true;
}

bool changed(Runtime* rt, const Value& self, const Arguments& arguments, Value* out) {
  auto& loop = self.as<LoopObject>();
  Value now = rt->heap.list(arguments.positional, Kind::kTuple);
  bool same = false;
  if (!loop.last_changed.is(Kind::kMissing) && !equal(rt, loop.last_changed, now, &same)) return false;
  if (!same) loop.last_changed = std::move(now);
  *out = Value::boolean(!same);
  return true;
}

bool next(Runtime*, const Value& self, const Arguments&, Value* out) {
  auto& cycler = self.as<CyclerObject>();
  Value item = cycler.items[cycler.position];
  cycler.position = (cycler.position + 1) % cycler.items.size();
  *out = std::move(item);
  return true;
}

bool reset(Runtime*, const Value& self, const Arguments&, Value* out) {
  self.as<CyclerObject>().position = 0;
  *out = Value::none();
  return true;
}

constexpr uint32_t bit(Kind kind) { return 1u << static_cast<uint32_t>(kind); }
constexpr uint32_t kStr = bit(Kind::kString);
constexpr uint32_t kList = bit(Kind::kList);
constexpr uint32_t kTuple = bit(Kind::kTuple);
constexpr uint32_t kDict = bit(Kind::kDict);
constexpr uint32_t kLoop = bit(Kind::kLoop);
constexpr uint32_t kCycler = bit(Kind::kCycler);

struct Entry {
  const char* name;
  uint32_t kinds;
  Method method;
};

constexpr Entry kMethods[] = {
    {"append", kList, append},
    {"capitalize", kStr, change_case<CaseRule::kCapitalize>},
    {"casefold", kStr, change_case<CaseRule::kLower>},
    {"center", kStr, justify<Justify::kCenter>},
    {"changed", kLoop, changed},
    {"clear", kList | kDict, clear},
    {"copy", kList | kDict, copy},
    {"count", kStr | kList | kTuple, find_item<true>},
    {"cycle", kLoop, cycle},
    {"endswith", kStr, has_affix<true>},
    {"extend", kList, extend},
    {"find", kStr, search<Search::kFind>},
    {"get", kDict, get},
    {"index", kStr | kList | kTuple, find_item<false>},
    {"insert", kList, insert},
    {"isalnum", kStr, all_chars<CharTest::kAlnum>},
    {"isalpha", kStr, all_chars<CharTest::kAlpha>},
    {"isdecimal", kStr, all_chars<CharTest::kDigit>},
    {"isdigit", kStr, all_chars<CharTest::kDigit>},
    {"islower", kStr, all_cased<false>},
    {"isnumeric", kStr, all_chars<CharTest::kDigit>},
    {"isspace", kStr, all_chars<CharTest::kSpace>},
    {"isupper", kStr, all_cased<true>},
    {"items", kDict, dict_parts<DictPart::kItems>},
    {"join", kStr, join},
    {"keys", kDict, dict_parts<DictPart::kKeys>},
    {"ljust", kStr, justify<Justify::kLeft>},
    {"lower", kStr, change_case<CaseRule::kLower>},
    {"lstrip", kStr, strip_text<true, false>},
    {"next", kCycler, next},
    {"partition", kStr, partition<false>},
    {"pop", kList | kDict, pop},
    {"removeprefix", kStr, remove_affix<false>},
    {"removesuffix", kStr, remove_affix<true>},
    {"replace", kStr, replace_in},
    {"reset", kCycler, reset},
    {"reverse", kList, reverse},
    {"rfind", kStr, search<Search::kRfind>},
    {"rindex", kStr, search<Search::kRindex>},
    {"rjust", kStr, justify<Justify::kRight>},
    {"rpartition", kStr, partition<true>},
    {"rsplit", kStr, split_text<true>},
    {"rstrip", kStr, strip_text<false, true>},
    {"setdefault", kDict, set_default},
    {"split", kStr, split_text<false>},
    {"splitlines", kStr, split_lines_of},
    {"startswith", kStr, has_affix<false>},
    {"strip", kStr, strip_text<true, true>},
    {"swapcase", kStr, change_case<CaseRule::kSwap>},
    {"title", kStr, change_case<CaseRule::kTitle>},
    {"update", kDict, update},
    {"upper", kStr, change_case<CaseRule::kUpper>},
    {"values", kDict, dict_parts<DictPart::kValues>},
    {"zfill", kStr, justify<Justify::kZeros>},
};

// --- global functions

bool make_range(Runtime* rt, const Arguments& arguments, Value* out) {
  constexpr uint64_t kItemsMax = 100'000;  // Jinja's sandbox has this limit too
  const auto& a = arguments.positional;
  if (!arguments.named.empty() || a.empty() || a.size() > 3) return rt->fail("range takes 1 to 3 integers");
  for (const Value& v : a) {
    if (!v.is_integral()) return fail_type(rt, "range needs integers", v);
  }
  auto* range = rt->heap.make<RangeObject>();
  *out = Value(range);
  range->start = a.size() == 1 ? 0 : a[0].integer();
  range->stop = a.size() == 1 ? a[0].integer() : a[1].integer();
  range->step = a.size() == 3 ? a[2].integer() : 1;
  if (range->step == 0) return rt->fail("range: step must not be zero");
  const bool up = range->step > 0;
  const uint64_t start = static_cast<uint64_t>(range->start);
  const uint64_t stop = static_cast<uint64_t>(range->stop);
  const uint64_t step = up ? static_cast<uint64_t>(range->step) : 0 - static_cast<uint64_t>(range->step);
  const bool empty = up ? range->start >= range->stop : range->start <= range->stop;
  const uint64_t span = empty ? 0 : up ? stop - start : start - stop;
  const uint64_t n = empty ? 0 : (span - 1) / step + 1;
  if (n > kItemsMax) return rt->fail(ErrorCode::kResourceExhausted, "range of more than " + std::to_string(kItemsMax) + " items");
  range->n = static_cast<int64_t>(n);
  return true;
}

bool make_dict(Runtime* rt, Kind kind, const Arguments& arguments, Value* out) {
  auto* dict = rt->heap.make<DictObject>(kind);
  *out = Value(dict);
  return merge(rt, dict, arguments);
}

bool raise(Runtime* rt, const Arguments& arguments) {
  Value message;
  Value text;
  if (!bind_arguments(rt, "raise_exception", arguments, {"message"}, &message) || !to_text(rt, message, &text)) return false;
  return rt->fail(std::string(text.bytes().substr(0, 4096)));
}

constexpr const char* kFunctions[] = {"range", "namespace", "dict", "raise_exception", "strftime_now", "joiner", "cycler"};

}  // namespace

int find_method(std::string_view name) {
  for (size_t i = 0; i < std::size(kMethods); ++i) {
    if (name == kMethods[i].name) return static_cast<int>(i);
  }
  return -1;
}

bool method_applies(int method, Kind kind) { return method >= 0 && (kMethods[method].kinds & bit(kind)) != 0; }

bool call_method(Runtime* rt, int method, const Value& self, const Arguments& arguments, Value* out) {
  return kMethods[method].method(rt, self, arguments, out);
}

int find_function(std::string_view name) {
  for (size_t i = 0; i < std::size(kFunctions); ++i) {
    if (name == kFunctions[i]) return static_cast<int>(i);
  }
  return -1;
}

bool call_function(Runtime* rt, int function, const Arguments& arguments, Value* out) {
  switch (function) {
    case 0: return make_range(rt, arguments, out);
    case 1: return make_dict(rt, Kind::kNamespace, arguments, out);
    case 2: return make_dict(rt, Kind::kDict, arguments, out);
    case 3: return raise(rt, arguments);
    case 4: {
      Value format;
      if (!bind_arguments(rt, "strftime_now", arguments, {"format"}, &format)) return false;
      if (!format.is_string()) return fail_type(rt, "strftime_now needs a format", format);
      return format_time(rt, format.text(), rt->now_unix_s(), out);
    }
    case 5: {
      Value separator;
      if (!bind_arguments(rt, "joiner", arguments, {"sep"}, &separator)) return false;
      auto* joiner = rt->heap.make<CyclerObject>(Kind::kJoiner);
      *out = Value(joiner);
      joiner->items.push_back(given(separator) ? separator : rt->heap.string(", ", false));
      return true;
    }
    default: {
      if (arguments.positional.empty()) return rt->fail("cycler needs at least one item");
      auto* cycler = rt->heap.make<CyclerObject>(Kind::kCycler);
      *out = Value(cycler);
      cycler->items = arguments.positional;
      return true;
    }
  }
}

}  // namespace firesteel::jinja
