// Runs a parsed template over a context.
#pragma once

#include "base/json.h"
#include "tokenizer/jinja_runtime.h"

namespace firesteel::jinja {

class Interpreter {
 public:
  // `program` and `context` outlive the interpreter.
  Interpreter(const Program& program, const Json& context, const TemplateBudget& budget, int64_t now_unix_s);

  Result<std::vector<PromptSpan>> run();

 private:
  enum class Flow : uint8_t { kNormal, kBreak, kContinue, kError };

  // Variables live in one stack; a scope is where its variables begin. Only the innermost scope is written to.
  struct Binding {
    NameId name;
    Value value;
  };
  struct Scope {
    size_t first_binding;
    size_t parent;   // scope that encloses it in the source
    uint64_t id;     // unique, so that a macro notices when its scope is gone
  };

  Flow run_block(const Block& block);
  Flow run_statement(const Statement& statement);
  Flow run_output(const Statement& statement);
  Flow run_if(const Statement& statement);
  Flow run_for(const Statement& statement, const Value& iterable, int64_t depth0);
  Flow run_with(const Statement& statement);
  bool run_call_block(const Statement& statement);
  // Runs a body that writes to a new text. A break or continue in it ends the body and is passed on.
  Flow capture(const Block& body, Value* out);

  bool evaluate(const Expression& expression, Value* out);
  bool evaluate_nested(const Expression& expression, Value* out);
  bool evaluate_suffixed(const Expression& expression, Value* out);
  // Applies suffixes [from, to) to *value; `caller` is what a call block adds to the last call.
  bool apply_suffixes(const Expression& expression, size_t to, Value* value, const Value* caller);
  bool apply_filters(const std::vector<Suffix>& filters, Value* value);
  bool apply_filter(const Suffix& suffix, Value* value);
  bool apply_test(const Suffix& suffix, Value* value);
  bool evaluate_subscript(const Suffix& suffix, Value* value);
  bool evaluate_arithmetic(const Expression& expression, Value* out);
  bool evaluate_compare(const Expression& expression, Value* out);
  bool compare(Operator op, const Value& a, const Value& b, bool* out);
  bool evaluate_concatenate(const Expression& expression, Value* out);
  bool evaluate_items(const std::vector<ExpressionPtr>& items, std::vector<Value>* out);
  bool evaluate_dict(const Expression& expression, Value* out);
  bool evaluate_arguments(const std::vector<Argument>& arguments, Arguments* out);

  bool call(const Value& callee, Arguments arguments, Value* out);
  bool call_macro(const MacroObject& macro, Arguments arguments, Value* out);
  bool call_loop(const LoopObject& loop, const Arguments& arguments, Value* out);
  bool bind_macro_arguments(const Statement& macro, Arguments arguments);

  Value lookup(NameId name);
  Value context_value(NameId name);
  void bind(NameId name, Value value);
  bool assign(const Target& target, Value value);
  // `hidden`: number of the scope in Program::hidden.
  void push_scope(size_t parent, uint32_t hidden);
  void pop_scope();
  bool scope_lives(size_t scope, uint64_t id) const { return scope < scopes_.size() && scopes_[scope].id == id; }

  bool convert(const Json& json, bool user, int depth, Value* out);
  bool convert_messages(const Json& json, Value* out);

  Runtime rt_;  // first member that holds values: the heap goes last
  const Program& program_;
  const Json& context_;
  std::vector<Value> literals_;  // by string number, made when first used
  std::vector<Value> globals_;   // by NameId; kMissing: not looked up yet
  std::vector<Value> top_;       // variables of the outermost scope by NameId; kMissing: not set
  std::vector<Binding> bindings_;
  std::vector<Scope> scopes_;
  uint64_t n_scopes_made_ = 0;
  Text* out_ = nullptr;
};

}  // namespace firesteel::jinja
