// What everything in a running template shares: heap, budget, the first error; and the operations on values. All functions here return
// false after an error, which is then in Runtime::error().
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/jinja_ast.h"
#include "tokenizer/jinja_value.h"

namespace firesteel::jinja {

struct NamedArgument {
  std::string name;
  Value value;
  bool user = false;  // the name itself came from a user, through **dict
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<NamedArgument> named;
};

class Runtime {
 public:
  Runtime(const TemplateBudget& budget, int64_t now_unix_s);

  Heap heap;  // first member: values elsewhere must be gone before it

  // Charges steps against the budget; looks at the clock and the heap's size on the way.
  bool tick(uint64_t steps = 1) {
    steps_ += steps;
    if (steps_ < next_check_ && !heap.over_limit()) return true;
    return check_budget();
  }
  // For work proportional to a text's length: cheap per byte, but not free.
  bool tick_bytes(size_t bytes) { return tick(1 + bytes / 256); }

  bool fail(std::string reason) { return fail(ErrorCode::kInvalidArgument, std::move(reason)); }
  bool fail(ErrorCode code, std::string reason);
  bool fail_undefined(const Value& value);
  bool failed() const { return failed_; }
  const Error& error() const { return error_; }

  // One level of nesting; leave() after each successful enter().
  bool enter();
  void leave() { --depth_; }

  Text new_text() const { return Text(text_bytes_max_); }
  size_t text_bytes_max() const { return text_bytes_max_; }
  // A computed string, or the error that it is too long.
  bool finish(Text text, Value* out);
  // A list, or the error that it is too long.
  bool finish(std::vector<Value> items, Value* out, Kind kind = Kind::kList);
  // Largest number of values or parts that a new list may have now.
  size_t list_items_max() const { return heap.headroom_bytes() / sizeof(Value); }
  bool fail_too_large();

  int64_t now_unix_s() const { return now_unix_s_; }
  void set_line(uint32_t line) { line_ = line; }
  uint32_t line() const { return line_; }

 private:
  bool check_budget();

  TemplateBudget budget_;
  size_t text_bytes_max_;
  int64_t now_unix_s_;
  int64_t deadline_us_;
  uint64_t steps_ = 0;
  uint64_t next_check_ = 0;
  uint32_t depth_ = 0;
  uint32_t line_ = 0;
  bool failed_ = false;
  Error error_;
};

// --- Operations with Python's meaning

const char* type_name(const Value& value);  // "str", "dict", ...
bool truth(const Value& value);
bool is_hashable(const Value& value);  // can be a key
bool equal(Runtime* rt, const Value& a, const Value& b, bool* out);
bool less(Runtime* rt, const Value& a, const Value& b, bool* out);
bool contains(Runtime* rt, const Value& container, const Value& item, bool* out);
bool length(Runtime* rt, const Value& value, int64_t* out);
// Copies what "for x in value" would see.
bool iterate(Runtime* rt, const Value& value, std::vector<Value>* out);
bool is_iterable(const Value& value);
bool arithmetic(Runtime* rt, Operator op, const Value& a, const Value& b, Value* out);
bool negate(Runtime* rt, const Value& value, Value* out);

// `method` is find_method(name). `name` must outlive the rendering.
bool get_attribute(Runtime* rt, const Value& value, const std::string& name, int method, Value* out);
bool get_item(Runtime* rt, const Value& value, const Value& key, Value* out);
bool get_slice(Runtime* rt, const Value& value, const Value& start, const Value& stop, const Value& step, Value* out);
// "a.b.0" as the filters map, sort, selectattr ... use it.
bool get_path(Runtime* rt, const Value& value, const Value& path, Value* out);
bool set_item(Runtime* rt, DictObject* dict, const Value& key, Value value);

// Puts arguments in the order of `names`; what was not passed stays kMissing. `what` is for messages: "filter 'indent'".
bool bind_arguments(Runtime* rt, const char* what, const Arguments& arguments, std::initializer_list<const char*> names, Value* slots);

// --- Text of values (jinja_format.cc)

bool append_str(Runtime* rt, const Value& value, Text* out);   // str(value)
bool append_repr(Runtime* rt, const Value& value, Text* out);  // repr(value)
bool to_text(Runtime* rt, const Value& value, Value* out);     // the value itself when it is a string
std::string float_repr(double value);

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  bool multi_line = false;
  std::string indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
// json.dumps. When any string in it came from a user, all of the output counts as theirs.
bool append_json(Runtime* rt, const Value& value, const JsonStyle& style, Text* out);

// format % arguments.
bool percent_format(Runtime* rt, const TextView& format, const Value& arguments, Value* out);
// C-locale strftime in UTC.
bool format_time(Runtime* rt, const TextView& format, int64_t unix_s, Value* out);

// --- Builtins

bool call_filter(Runtime* rt, int filter, const Value& value, const Arguments& arguments, Value* out);
bool call_test(Runtime* rt, int test, const Value& value, const Arguments& arguments, bool* out);
bool call_method(Runtime* rt, int method, const Value& self, const Arguments& arguments, Value* out);
bool method_applies(int method, Kind kind);
bool call_function(Runtime* rt, int function, const Arguments& arguments, Value* out);

}  // namespace firesteel::jinja
