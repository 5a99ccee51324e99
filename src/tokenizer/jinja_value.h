// Values of a running template and the heap that owns them. Reference counted without atomics (one rendering, one thread), counted
// against a byte limit, and freed without recursion; cycles are freed when the heap ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/jinja_text.h"

namespace firesteel::jinja {

enum class Kind : uint8_t {
  kMissing,    // an argument that was not passed; never seen by templates
  kUndefined,  // prints as nothing, is false and empty; reading into it is an error
  kNone,
  kBool,
  kInt,
  kFloat,
  kFunction,  // a global function, by its number
  // From here on the value holds an object.
  kString,
  kList,
  kTuple,
  kDict,
  kRange,
  kNamespace,
  kLoop,
  kMacro,
  kMethod,
  kCycler,
  kJoiner,
};

class Heap;

struct Object {
  Object(Kind object_kind) : kind(object_kind) {}  // NOLINT: implicit on purpose, only derived objects use it
  Heap* heap = nullptr;
  Object* previous = nullptr;
  Object* next = nullptr;
  size_t charged_bytes = 0;
  uint32_t n_refs = 0;
  Kind kind;
};

struct StringObject;
struct ListObject;
struct DictObject;
struct RangeObject;

class Value {
 public:
  Value() { payload_.name = nullptr; }  // undefined without a name
  ~Value() { drop(); }
  Value(const Value& other) : kind_(other.kind_), payload_(other.payload_) {
    if (is_object()) ++payload_.object->n_refs;
  }
  Value(Value&& other) noexcept : kind_(other.kind_), payload_(other.payload_) { other.kind_ = Kind::kUndefined; other.payload_.name = nullptr; }
  Value& operator=(const Value& other) {
    Value copy(other);
    swap(copy);
    return *this;
  }
  Value& operator=(Value&& other) noexcept {
    Value moved(std::move(other));
    swap(moved);
    return *this;
  }

  // `name` says what is undefined in error messages; it lives as long as the program.
  static Value undefined(const std::string* name = nullptr) { Value v; v.payload_.name = name; return v; }
  static Value missing() { Value v; v.kind_ = Kind::kMissing; return v; }
  static Value none() { Value v; v.kind_ = Kind::kNone; return v; }
  static Value boolean(bool b) { Value v; v.kind_ = Kind::kBool; v.payload_.integer = b; return v; }
  static Value integer(int64_t i) { Value v; v.kind_ = Kind::kInt; v.payload_.integer = i; return v; }
  static Value real(double d) { Value v; v.kind_ = Kind::kFloat; v.payload_.real = d; return v; }
  static Value function(int number) { Value v; v.kind_ = Kind::kFunction; v.payload_.integer = number; return v; }
  explicit Value(Object* object) : kind_(object->kind) { payload_.object = object; ++object->n_refs; }

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_object() const { return kind_ >= Kind::kString; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_list_or_tuple() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  bool is_integral() const { return kind_ == Kind::kInt || kind_ == Kind::kBool; }  // Python's bool is an int
  bool is_number() const { return is_integral() || kind_ == Kind::kFloat; }

  // The caller has looked at kind().
  int64_t integer() const { return payload_.integer; }  // of an int, bool or function
  double real() const { return kind_ == Kind::kFloat ? payload_.real : static_cast<double>(payload_.integer); }  // of any number
  const std::string* undefined_name() const { return payload_.name; }
  Object* object() const { return payload_.object; }
  template <typename T>
  T& as() const { return *static_cast<T*>(payload_.object); }
  TextView text() const;  // of a string
  std::string_view bytes() const { return text().bytes(); }
  std::vector<Value>& items() const;  // of a list or tuple

 private:
  void swap(Value& other) { std::swap(kind_, other.kind_); std::swap(payload_, other.payload_); }
  void drop();

  Kind kind_ = Kind::kUndefined;
  union {
    int64_t integer;
    double real;
    Object* object;
    const std::string* name;
  } payload_;
};

struct StringObject : Object {
  StringObject() : Object(Kind::kString) {}
  TextView view;  // into `text`, or into something that outlives the heap
  Text text;
};

struct ListObject : Object {  // list or tuple
  explicit ListObject(Kind list_kind) : Object(list_kind) {}
  std::vector<Value> items;
};

struct DictObject : Object {  // dict or namespace, in insertion order
  explicit DictObject(Kind dict_kind) : Object(dict_kind) {}
  std::vector<std::pair<Value, Value>> items;
  // The value of a string key, or nullptr.
  Value* find(std::string_view key);
};

struct RangeObject : Object {
  RangeObject() : Object(Kind::kRange) {}
  int64_t start = 0;
  int64_t stop = 0;
  int64_t step = 1;
  int64_t n = 0;
  // Item i of n: within int64 by construction, though i * step may not be.
  int64_t at(int64_t i) const {
    return static_cast<int64_t>(static_cast<uint64_t>(start) + static_cast<uint64_t>(i) * static_cast<uint64_t>(step));
  }
};

struct Statement;  // jinja_ast.h

struct LoopObject : Object {
  LoopObject() : Object(Kind::kLoop) {}
  Value items;      // list of all items
  size_t index = 0;
  int64_t depth0 = 0;
  const Statement* statement = nullptr;  // of a recursive loop
  size_t scope = 0;                 // where that loop stands
  uint64_t scope_id = 0;
  Value last_changed = Value::missing();
};

struct MacroObject : Object {
  MacroObject() : Object(Kind::kMacro) {}
  const Statement* statement = nullptr;
  size_t scope = 0;  // where it was defined
  uint64_t scope_id = 0;
};

struct MethodObject : Object {
  MethodObject() : Object(Kind::kMethod) {}
  Value self;
  int method = 0;
};

struct CyclerObject : Object {  // also joiner
  explicit CyclerObject(Kind cycler_kind) : Object(cycler_kind) {}
  std::vector<Value> items;
  size_t position = 0;
};

class Heap {
 public:
  explicit Heap(size_t bytes_max) : bytes_max_(bytes_max) {}
  ~Heap();
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  // Never fail; when the limit is passed `over_limit` becomes true and the interpreter stops at its next step. So check `fits` before
  // making something large.
  Value string(Text text);
  Value string(std::string_view bytes, bool user);  // copies
  Value borrowed_string(std::string_view bytes, bool user);
  Value list(std::vector<Value> items, Kind kind = Kind::kList);
  template <typename T, typename... Args>
  T* make(Args&&... args) {
    T* object = new T(std::forward<Args>(args)...);
    adopt(object, sizeof(T));
    return object;
  }

  // Whether this many more bytes stay within the limit.
  bool fits(size_t bytes) const { return bytes_live_ <= bytes_max_ && bytes <= bytes_max_ - bytes_live_; }
  bool over_limit() const { return bytes_live_ > bytes_max_; }
  size_t headroom_bytes() const { return over_limit() ? 0 : bytes_max_ - bytes_live_; }
  // Call after an object's containers grew.
  void recharge(Object* object, size_t bytes);
  void append(ListObject* list, Value value);
  void append(DictObject* dict, Value key, Value value);

  void release(Object* object);  // called when the last reference went

 private:
  void adopt(Object* object, size_t bytes);

  Object* objects_ = nullptr;  // all that live
  Object* dying_ = nullptr;    // waiting to be freed
  bool draining_ = false;
  bool ending_ = false;
  size_t bytes_live_ = 0;
  size_t bytes_max_;
};

inline void Value::drop() {
  if (is_object() && --payload_.object->n_refs == 0) payload_.object->heap->release(payload_.object);
}
inline TextView Value::text() const { return as<StringObject>().view; }
inline std::vector<Value>& Value::items() const { return as<ListObject>().items; }

}  // namespace firesteel::jinja
