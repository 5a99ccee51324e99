#include "tokenizer/jinja_interpreter.h"

#include <algorithm>

#include "tokenizer/jinja_builtins.h"

namespace firesteel::jinja {
namespace {

// What the server itself puts into the context; everything else in it is somebody's text.
bool is_trusted_key(std::string_view key) {
  return key == "bos_token" || key == "eos_token" || key == "unk_token" || key == "pad_token";
}

bool is_known_role(std::string_view role) {
  return role == "system" || role == "user" || role == "assistant" || role == "tool" || role == "developer" || role == "function" ||
         role == "ipython";
}

constexpr int kContextDepthMax = 200;
constexpr uint32_t kNothingHidden = UINT32_MAX;

}  // namespace

Interpreter::Interpreter(const Program& program, const Json& context, const TemplateBudget& budget, int64_t now_unix_s)
    : rt_(budget, now_unix_s),
      program_(program),
      context_(context),
      literals_(program.strings.size(), Value::missing()),
      globals_(program.names.size(), Value::missing()),
      top_(program.names.size(), Value::missing()) {}

Result<std::vector<PromptSpan>> Interpreter::run() {
  Text text = rt_.new_text();
  out_ = &text;
  scopes_.push_back({0, 0, n_scopes_made_++});
  for (const NameId name : program_.hidden[0]) top_[name] = Value::undefined(&program_.names[name]);
  if (run_block(program_.body) == Flow::kError || rt_.failed()) return rt_.error();
  std::vector<PromptSpan> spans;
  text.view().for_each_run([&](std::string_view bytes, bool user) { spans.push_back({std::string(bytes), !user}); });
  return spans;
}

// --- statements

Interpreter::Flow Interpreter::run_block(const Block& block) {
  if (!rt_.enter()) return Flow::kError;
  Flow flow = Flow::kNormal;
  for (const Statement& statement : block) {
    flow = run_statement(statement);
    if (flow != Flow::kNormal) break;
  }
  rt_.leave();
  return flow;
}

Interpreter::Flow Interpreter::run_statement(const Statement& statement) {
  rt_.set_line(statement.line);
  if (!rt_.tick()) return Flow::kError;
  const auto flow = [](bool ok) { return ok ? Flow::kNormal : Flow::kError; };
  switch (statement.kind) {
    case Statement::Kind::kText:
      out_->append(program_.strings[statement.index], false);
      return flow(!out_->overflowed() || rt_.fail_too_large());
    case Statement::Kind::kOutput: return run_output(statement);
    case Statement::Kind::kIf: return run_if(statement);
    case Statement::Kind::kFor: {
      Value iterable;
      if (!evaluate(*statement.expressions[0], &iterable)) return Flow::kError;
      return run_for(statement, iterable, 0);
    }
    case Statement::Kind::kSet: {
      Value value;
      return flow(evaluate(*statement.expressions[0], &value) && assign(statement.target, std::move(value)));
    }
    case Statement::Kind::kSetBlock: {
      push_scope(scopes_.size() - 1, statement.body_scope);
      Value value;
      const Flow inner = capture(statement.body, &value);
      pop_scope();
      if (inner != Flow::kNormal) return inner;
      return flow(apply_filters(statement.filters, &value) && assign(statement.target, std::move(value)));
    }
    case Statement::Kind::kMacro: {
      auto* macro = rt_.heap.make<MacroObject>();
      const Value value(macro);
      macro->statement = &statement;
      macro->scope = scopes_.size() - 1;
      macro->scope_id = scopes_.back().id;
      bind(statement.name, value);
      return Flow::kNormal;
    }
    case Statement::Kind::kCall: return flow(run_call_block(statement));
    case Statement::Kind::kFilter: {
      push_scope(scopes_.size() - 1, statement.body_scope);
      Value value;
      const Flow inner = capture(statement.body, &value);
      pop_scope();
      if (inner != Flow::kNormal) return inner;
      if (!apply_filters(statement.filters, &value) || !append_str(&rt_, value, out_)) return Flow::kError;
      return flow(!out_->overflowed() || rt_.fail_too_large());
    }
    case Statement::Kind::kScope: return run_with(statement);
    case Statement::Kind::kBreak: return Flow::kBreak;
    case Statement::Kind::kContinue: return Flow::kContinue;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::run_output(const Statement& statement) {
  for (const ExpressionPtr& expression : statement.expressions) {
    Value value;
    if (!evaluate(*expression, &value) || !append_str(&rt_, value, out_)) return Flow::kError;
    if (out_->overflowed()) {
      rt_.fail_too_large();
      return Flow::kError;
    }
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::run_if(const Statement& statement) {
  for (const Branch& branch : statement.branches) {
    Value condition;
    if (!evaluate(*branch.condition, &condition)) return Flow::kError;
    if (truth(condition)) return run_block(branch.body);
  }
  return statement.otherwise.empty() ? Flow::kNormal : run_block(statement.otherwise);
}

Interpreter::Flow Interpreter::run_for(const Statement& statement, const Value& iterable, int64_t depth0) {
  std::vector<Value> items;
  if (!iterate(&rt_, iterable, &items)) return Flow::kError;
  const size_t parent = scopes_.size() - 1;
  if (statement.expressions[1] != nullptr) {
    std::vector<Value> kept;
    for (Value& item : items) {
      push_scope(parent, kNothingHidden);
      Value condition;
      const bool ok = rt_.tick() && assign(statement.target, item) && evaluate(*statement.expressions[1], &condition);
      pop_scope();
      if (!ok) return Flow::kError;
      if (truth(condition)) kept.push_back(std::move(item));
    }
    items = std::move(kept);
  }
  LoopObject* loop = nullptr;
  Value loop_value;
  if (statement.uses_loop) {
    loop = rt_.heap.make<LoopObject>();
    loop_value = Value(loop);
    loop->items = rt_.heap.list(items);
    loop->depth0 = depth0;
    loop->statement = statement.recursive ? &statement : nullptr;
    loop->scope = parent;
    loop->scope_id = scopes_[parent].id;
  }
  bool completed = false;  // Jinja runs "else" when no round came to its end: after "continue" and "break" too
  for (size_t i = 0; i < items.size(); ++i) {
    if (!rt_.tick()) return Flow::kError;
    push_scope(parent, statement.body_scope);
    if (loop != nullptr) {
      loop->index = i;
      bind(program_.loop, loop_value);
    }
    const Flow flow = assign(statement.target, std::move(items[i])) ? run_block(statement.body) : Flow::kError;
    pop_scope();
    if (flow == Flow::kError) return flow;
    completed = completed || flow == Flow::kNormal;
    if (flow == Flow::kBreak) break;
  }
  if (completed || statement.otherwise.empty()) return Flow::kNormal;
  push_scope(parent, statement.otherwise_scope);
  const Flow flow = run_block(statement.otherwise);
  pop_scope();
  return flow;
}

Interpreter::Flow Interpreter::run_with(const Statement& statement) {
  std::vector<Value> values;
  if (!evaluate_items(statement.expressions, &values)) return Flow::kError;  // all in the outer scope
  push_scope(scopes_.size() - 1, statement.body_scope);
  Flow flow = Flow::kNormal;
  for (size_t i = 0; i < values.size() && flow == Flow::kNormal; ++i) {
    if (!assign(statement.targets[i], std::move(values[i]))) flow = Flow::kError;
  }
  if (flow == Flow::kNormal) flow = run_block(statement.body);
  pop_scope();
  return flow;
}

bool Interpreter::run_call_block(const Statement& statement) {
  auto* macro = rt_.heap.make<MacroObject>();
  const Value caller(macro);
  macro->statement = &statement;
  macro->scope = scopes_.size() - 1;
  macro->scope_id = scopes_.back().id;
  const Expression& expression = *statement.expressions[0];
  Value value;
  if (!evaluate(*expression.items[0], &value)) return false;
  if (!apply_suffixes(expression, expression.suffixes.size(), &value, &caller)) return false;
  if (!append_str(&rt_, value, out_)) return false;
  return !out_->overflowed() || rt_.fail_too_large();
}

Interpreter::Flow Interpreter::capture(const Block& body, Value* out) {
  Text text = rt_.new_text();
  Text* saved = out_;
  out_ = &text;
  const Flow flow = run_block(body);
  out_ = saved;
  if (flow == Flow::kError) return flow;
  if (flow == Flow::kNormal && !rt_.finish(std::move(text), out)) return Flow::kError;
  return flow;
}

// --- variables

void Interpreter::push_scope(size_t parent, uint32_t hidden) {
  scopes_.push_back({bindings_.size(), parent, n_scopes_made_++});
  if (hidden == kNothingHidden) return;
  for (const NameId name : program_.hidden[hidden]) bindings_.push_back({name, Value::undefined(&program_.names[name])});
}

void Interpreter::pop_scope() {
  bindings_.resize(scopes_.back().first_binding, Binding{0, Value()});
  scopes_.pop_back();
}

void Interpreter::bind(NameId name, Value value) {
  if (scopes_.size() == 1) {
    top_[name] = std::move(value);
    return;
  }
  for (size_t i = scopes_.back().first_binding; i < bindings_.size(); ++i) {
    if (bindings_[i].name == name) {
      bindings_[i].value = std::move(value);
      return;
    }
  }
  bindings_.push_back({name, std::move(value)});
}

Value Interpreter::lookup(NameId name) {
  for (size_t scope = scopes_.size() - 1; scope != 0; scope = scopes_[scope].parent) {
    const size_t end = scope + 1 < scopes_.size() ? scopes_[scope + 1].first_binding : bindings_.size();
    for (size_t i = scopes_[scope].first_binding; i < end; ++i) {
      if (bindings_[i].name == name) return bindings_[i].value;
    }
  }
  if (!top_[name].is(Kind::kMissing)) return top_[name];
  if (globals_[name].is(Kind::kMissing)) globals_[name] = context_value(name);
  return globals_[name];
}

bool Interpreter::assign(const Target& target, Value value) {
  if (target.is_tuple) {
    std::vector<Value> items;
    if (!iterate(&rt_, value, &items)) return false;
    if (items.size() != target.items.size()) {
      return rt_.fail("expected " + std::to_string(target.items.size()) + " values to unpack, found " + std::to_string(items.size()));
    }
    for (size_t i = 0; i < items.size(); ++i) {
      if (!assign(target.items[i], std::move(items[i]))) return false;
    }
    return true;
  }
  if (target.attribute.empty()) {
    bind(target.name, std::move(value));
    return true;
  }
  const Value ns = lookup(target.name);
  if (!ns.is(Kind::kNamespace)) return rt_.fail("cannot set an attribute of '" + program_.names[target.name] + "', which is not a namespace");
  auto& dict = ns.as<DictObject>();
  if (!rt_.tick(1 + dict.items.size() / 8)) return false;
  if (Value* found = dict.find(target.attribute)) {
    *found = std::move(value);
  } else {
    rt_.heap.append(&dict, rt_.heap.borrowed_string(target.attribute, false), std::move(value));
  }
  return true;
}

// --- context

Value Interpreter::context_value(NameId name) {
  const std::string& text = program_.names[name];
  if (const Json* json = context_.find(text)) {
    Value value;
    const bool ok = text == "messages" ? convert_messages(*json, &value) : convert(*json, !is_trusted_key(text), 0, &value);
    return ok ? value : Value();  // the error stops the next step
  }
  const int function = find_function(text);
  return function >= 0 ? Value::function(function) : Value::undefined(&text);
}

bool Interpreter::convert(const Json& json, bool user, int depth, Value* out) {
  if (depth > kContextDepthMax) return rt_.fail("context nested deeper than " + std::to_string(kContextDepthMax));
  if (rt_.heap.over_limit()) return rt_.fail_too_large();
  if (json.is_bool()) {
    *out = Value::boolean(json.as_bool());
  } else if (json.is_int()) {
    *out = Value::integer(json.as_int());
  } else if (json.is_double()) {
    *out = Value::real(json.as_double());
  } else if (json.is_string()) {
    *out = rt_.heap.borrowed_string(json.as_string(), user);
  } else if (json.is_array()) {
    std::vector<Value> items(json.as_array().size());
    for (size_t i = 0; i < items.size(); ++i) {
      if (!convert(json.as_array()[i], user, depth + 1, &items[i])) return false;
    }
    *out = rt_.heap.list(std::move(items));
  } else if (json.is_object()) {
    auto* dict = rt_.heap.make<DictObject>(Kind::kDict);
    *out = Value(dict);
    dict->items.reserve(json.as_object().size());
    for (const auto& [key, member] : json.as_object()) {
      Value value;
      if (!convert(member, user, depth + 1, &value)) return false;
      rt_.heap.append(dict, rt_.heap.borrowed_string(key, user), std::move(value));
    }
  } else {
    *out = Value::none();
  }
  return true;
}

// Like convert, but the role of a message counts as the template's when it is one that the server knows.
bool Interpreter::convert_messages(const Json& json, Value* out) {
  if (!convert(json, true, 0, out)) return false;
  if (!out->is(Kind::kList)) return true;
  for (const Value& message : out->items()) {
    if (!message.is(Kind::kDict)) continue;
    Value* role = message.as<DictObject>().find("role");
    if (role != nullptr && role->is_string() && is_known_role(role->bytes())) *role = rt_.heap.borrowed_string(role->bytes(), false);
  }
  return true;
}

// --- calls

bool Interpreter::call(const Value& callee, Arguments arguments, Value* out) {
  switch (callee.kind()) {
    case Kind::kFunction: return call_function(&rt_, static_cast<int>(callee.integer()), arguments, out);
    case Kind::kMacro: return call_macro(callee.as<MacroObject>(), std::move(arguments), out);
    case Kind::kMethod: {
      const auto& method = callee.as<MethodObject>();
      return call_method(&rt_, method.method, method.self, arguments, out);
    }
    case Kind::kLoop: return call_loop(callee.as<LoopObject>(), arguments, out);
    case Kind::kJoiner: {
      auto& joiner = callee.as<CyclerObject>();
      *out = joiner.position++ == 0 ? rt_.heap.string("", false) : joiner.items[0];
      return true;
    }
    default:
      if (callee.is_undefined()) return rt_.fail_undefined(callee);
      return rt_.fail(std::string("a ") + type_name(callee) + " cannot be called");
  }
}

bool Interpreter::call_macro(const MacroObject& macro, Arguments arguments, Value* out) {
  const Statement& statement = *macro.statement;
  if (!scope_lives(macro.scope, macro.scope_id)) {
    return rt_.fail(ErrorCode::kUnsupported, "a macro is called outside of the block that defines it");
  }
  if (!rt_.enter()) return false;
  const uint32_t line = rt_.line();
  push_scope(macro.scope, statement.body_scope);
  bool ok = bind_macro_arguments(statement, std::move(arguments));
  if (ok) ok = capture(statement.body, out) == Flow::kNormal;
  pop_scope();
  if (ok) rt_.set_line(line);
  rt_.leave();
  return ok;
}

bool Interpreter::bind_macro_arguments(const Statement& macro, Arguments arguments) {
  const std::string& name = macro.kind == Statement::Kind::kMacro ? program_.names[macro.name] : program_.names[program_.caller];
  const size_t n = macro.parameters.size();
  std::vector<Value> values(n, Value::missing());
  const size_t n_positional = arguments.positional.size();
  for (size_t i = 0; i < std::min(n, n_positional); ++i) values[i] = std::move(arguments.positional[i]);
  std::vector<Value> rest;
  for (size_t i = n; i < n_positional; ++i) rest.push_back(std::move(arguments.positional[i]));
  if (!rest.empty() && !macro.uses_varargs) {
    return rt_.fail("macro '" + name + "' takes at most " + std::to_string(n) + " arguments, found " + std::to_string(n_positional));
  }
  Value caller;
  Value kwargs;
  DictObject* keywords = nullptr;
  if (macro.uses_kwargs) {
    keywords = rt_.heap.make<DictObject>(Kind::kDict);
    kwargs = Value(keywords);
  }
  for (auto& [keyword, value, user] : arguments.named) {
    size_t i = 0;
    while (i < n && program_.names[macro.parameters[i]] != keyword) ++i;
    if (i < n) {
      if (!values[i].is(Kind::kMissing)) return rt_.fail("macro '" + name + "' got argument '" + keyword + "' twice");
      values[i] = std::move(value);
    } else if (keyword == "caller" && macro.kind == Statement::Kind::kMacro && macro.uses_caller) {
      caller = std::move(value);
    } else if (keywords != nullptr) {
      rt_.heap.append(keywords, rt_.heap.string(keyword, user), std::move(value));
    } else {
      return rt_.fail("macro '" + name + "' has no argument '" + keyword + "'");
    }
  }
  const size_t first_default = n - macro.defaults.size();
  for (size_t i = 0; i < n; ++i) {
    if (values[i].is(Kind::kMissing)) {
      values[i] = Value::undefined(&program_.names[macro.parameters[i]]);
      // A default may use the parameters before it.
      if (i >= first_default && !evaluate(*macro.defaults[i - first_default], &values[i])) return false;
    }
    bind(macro.parameters[i], std::move(values[i]));
  }
  if (macro.kind == Statement::Kind::kMacro && macro.uses_caller) bind(program_.caller, std::move(caller));
  if (macro.uses_varargs) bind(program_.varargs, rt_.heap.list(std::move(rest), Kind::kTuple));
  if (macro.uses_kwargs) bind(program_.kwargs, std::move(kwargs));
  return true;
}

bool Interpreter::call_loop(const LoopObject& loop, const Arguments& arguments, Value* out) {
  if (loop.statement == nullptr) return rt_.fail("only a loop marked 'recursive' can be called");
  if (arguments.positional.size() != 1 || !arguments.named.empty()) return rt_.fail("loop() takes one argument");
  if (!scope_lives(loop.scope, loop.scope_id)) return rt_.fail(ErrorCode::kUnsupported, "a loop is called outside of itself");
  if (!rt_.enter()) return false;
  const Statement& statement = *loop.statement;
  const int64_t depth0 = loop.depth0 + 1;
  Text text = rt_.new_text();
  Text* saved = out_;
  out_ = &text;
  push_scope(loop.scope, kNothingHidden);
  const Flow flow = run_for(statement, arguments.positional[0], depth0);
  pop_scope();
  out_ = saved;
  rt_.leave();
  return flow != Flow::kError && rt_.finish(std::move(text), out);
}

}  // namespace firesteel::jinja
