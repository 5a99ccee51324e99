#include "tokenizer/jinja_runtime.h"

#include <algorithm>

#include "base/clock.h"
#include "tokenizer/jinja_lexer.h"

namespace firesteel::jinja {
namespace {

constexpr uint64_t kStepsBetweenChecks = 512;
constexpr size_t kHeapBytesMin = 1u << 20;  // a small output budget still has room for a conversation

constexpr int64_t kTimeUsMax = int64_t{1} << 50;    // keeps the deadline from overflowing

size_t heap_limit(const TemplateBudget& budget) {
  return budget.output_bytes > SIZE_MAX / 4 ? SIZE_MAX / 2 : static_cast<size_t>(budget.output_bytes) * 2 + kHeapBytesMin;
}

}  // namespace

Runtime::Runtime(const TemplateBudget& budget, int64_t now_unix_s)
    : heap(heap_limit(budget)),
      budget_(budget),
      text_bytes_max_(static_cast<size_t>(budget.output_bytes)),
      now_unix_s_(now_unix_s),
      deadline_us_(system_clock().now_us() + std::min(budget.time_us, kTimeUsMax)) {}

bool Runtime::fail(ErrorCode code, std::string reason) {
  if (!failed_) {
    failed_ = true;
    next_check_ = 0;  // the next step stops, also when a caller went on
    error_ = source_error(code, line_, reason);
  }
  return false;
}

bool Runtime::fail_undefined(const Value& value) {
  const std::string* name = value.is_undefined() ? value.undefined_name() : nullptr;
  return fail(name == nullptr ? "a value is undefined" : "'" + *name + "' is undefined");
}

bool Runtime::fail_too_large() {
  return fail(ErrorCode::kResourceExhausted, "more text or data than the budget of " + std::to_string(text_bytes_max_) + " bytes allows");
}

bool Runtime::check_budget() {
  if (failed_) return false;
  if (heap.over_limit()) return fail_too_large();
  if (steps_ > budget_.steps) {
    return fail(ErrorCode::kResourceExhausted, "more than " + std::to_string(budget_.steps) + " steps");
  }
  if (system_clock().now_us() > deadline_us_) {
    return fail(ErrorCode::kDeadlineExceeded, "took longer than " + std::to_string(budget_.time_us) + " us");
  }
  next_check_ = std::min(steps_ + kStepsBetweenChecks, budget_.steps + 1);
  return true;
}

bool Runtime::enter() {
  if (depth_ >= budget_.depth) return fail(ErrorCode::kResourceExhausted, "nested deeper than " + std::to_string(budget_.depth));
  ++depth_;
  return true;
}

bool Runtime::finish(Text text, Value* out) {
  if (text.overflowed() || !heap.fits(text.capacity_bytes())) return fail_too_large();
  *out = heap.string(std::move(text));
  return true;
}

bool Runtime::finish(std::vector<Value> items, Value* out, Kind kind) {
  if (!heap.fits(items.capacity() * sizeof(Value))) return fail_too_large();
  *out = heap.list(std::move(items), kind);
  return true;
}

bool bind_arguments(Runtime* rt, const char* what, const Arguments& arguments, std::initializer_list<const char*> names,
                    Value* slots) {
  for (size_t i = 0; i < names.size(); ++i) slots[i] = Value::missing();
  if (arguments.positional.size() > names.size()) {
    return rt->fail(std::string(what) + " takes at most " + std::to_string(names.size()) + " arguments, found " + std::to_string(arguments.positional.size()));
  }
  for (size_t i = 0; i < arguments.positional.size(); ++i) slots[i] = arguments.positional[i];
  for (const auto& [name, value, user] : arguments.named) {
    size_t i = 0;
    while (i < names.size() && name != names.begin()[i]) ++i;
    if (i == names.size()) return rt->fail(std::string(what) + " has no argument '" + name + "'");
    if (!slots[i].is(Kind::kMissing)) return rt->fail(std::string(what) + " got argument '" + name + "' twice");
    slots[i] = value;
  }
  return true;
}

}  // namespace firesteel::jinja
