// Templates to programs: text, output and statements. Expressions: jinja_expressions.h.
#include <algorithm>
#include <array>
#include <utility>

#include "base/utf8.h"
#include "tokenizer/jinja_ast.h"
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_expressions.h"
#include "tokenizer/jinja_lexer.h"

namespace firesteel::jinja {
namespace {

constexpr size_t kSourceBytesMax = 1u << 20;

class Parser : private ExpressionParser {
 public:
  explicit Parser(std::vector<Token> tokens) : ExpressionParser(std::move(tokens)) {}

  Result<Program> run() {
    program_.loop = intern("loop");
    program_.caller = intern("caller");
    program_.varargs = intern("varargs");
    program_.kwargs = intern("kwargs");
    std::string end;
    scopes_.emplace_back();
    if (!block({}, &program_.body, &end)) return std::move(error_);
    hide_names();
    for (size_t i = 0; i < program_.names.size(); ++i) program_.name_is_read.push_back(n_reads_[i] > 0);
    return std::move(program_);
  }

 private:
  // --- statements

  // Statements until one of the `ends` tags, whose name is stored and skipped; without ends, until the end of the template.
  bool block(std::initializer_list<std::string_view> ends, Block* out, std::string* end) {
    const Nesting nesting(this);
    if (!nesting.ok()) return false;
    while (true) {
      switch (current().kind) {
        case TokenKind::kText: {
          if (!count_node()) return false;
          Statement& statement = add(out, Statement::Kind::kText);
          statement.index = intern_string(current().text);
          next();
          break;
        }
        case TokenKind::kOutputBegin: {
          if (!count_node()) return false;
          Statement& statement = add(out, Statement::Kind::kOutput);
          next();
          statement.expressions.emplace_back();
          if (!tuple(true, {}, &statement.expressions.back())) return false;
          if (current().kind != TokenKind::kOutputEnd) return fail("expected '}}', found " + describe(current()));
          next();
          break;
        }
        case TokenKind::kBlockBegin: {
          next();
          if (current().kind != TokenKind::kName) return fail("tag name expected, found " + describe(current()));
          for (const std::string_view name : ends) {
            if (current().text == name) {
              *end = current().text;
              next();
              return true;
            }
          }
          if (!count_node() || !statement(out) || !block_end()) return false;
          break;
        }
        case TokenKind::kEnd:
          if (ends.size() == 0) return true;
          return fail("unexpected end of template, expected '" + std::string(*(ends.end() - 1)) + "'");
        default: return fail("unexpected " + describe(current()));
      }
    }
  }

  Statement& add(Block* out, Statement::Kind kind) {
    out->emplace_back();
    out->back().kind = kind;
    out->back().line = current().line;
    return out->back();
  }

  bool block_end() {
    if (current().kind != TokenKind::kBlockEnd) return fail("expected '%}', found " + describe(current()));
    next();
    return true;
  }

  // The rest of an opening tag, then the body up to one of the ends.
  bool body(std::initializer_list<std::string_view> ends, Block* out, std::string* end) {
    skip_op(":");
    return block_end() && block(ends, out, end);
  }

  bool statement(Block* out) {
    const std::string tag = current().text;
    std::string end;
    if (tag == "if") return if_statement(add(out, Statement::Kind::kIf));
    if (tag == "for") return for_statement(add(out, Statement::Kind::kFor));
    if (tag == "set") return set_statement(add(out, Statement::Kind::kSet));
    if (tag == "macro") return macro_statement(add(out, Statement::Kind::kMacro));
    if (tag == "call") return call_statement(add(out, Statement::Kind::kCall));
    if (tag == "with") return with_statement(add(out, Statement::Kind::kScope));
    if (tag == "filter") {
      Statement& s = add(out, Statement::Kind::kFilter);
      next();
      s.body_scope = new_scope();
      return filters(true, &s.filters) && in_scope(s.body_scope, [&] { return body({"endfilter"}, &s.body, &end); });
    }
    if (tag == "generation") {  // marks what the model wrote, for training; rendering ignores it
      Statement& s = add(out, Statement::Kind::kScope);
      next();
      s.body_scope = new_scope();
      return in_scope(s.body_scope, [&] { return without_loop([&] { return body({"endgeneration"}, &s.body, &end); }); });
    }
    if (tag == "print") {
      Statement& s = add(out, Statement::Kind::kOutput);
      next();
      while (current().kind != TokenKind::kBlockEnd) {
        if (!s.expressions.empty() && !expect_op(",")) return false;
        s.expressions.emplace_back();
        if (!expression(&s.expressions.back())) return false;
      }
      return true;
    }
    if (tag == "break" || tag == "continue") {
      if (loop_depth_ == 0) return fail("'" + tag + "' outside of a loop");
      add(out, tag == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue);
      next();
      return true;
    }
    static constexpr std::string_view kUnsupported[] = {"include", "import", "from", "extends", "block", "autoescape", "do", "trans", "debug"};
    for (const std::string_view name : kUnsupported) {
      if (tag == name) return fail("the '" + tag + "' tag is not supported", ErrorCode::kUnsupported);
    }
    return fail("unknown tag '" + tag + "'");
  }

  bool if_statement(Statement& s) {
    std::string tag = "elif";
    next();
    while (tag == "elif") {
      s.branches.emplace_back();
      if (!tuple(false, {}, &s.branches.back().condition)) return false;
      ++n_conditions_;
      const bool ok = body({"elif", "else", "endif"}, &s.branches.back().body, &tag);
      --n_conditions_;
      if (!ok) return false;
    }
    ++n_conditions_;
    const bool ok = tag == "endif" || body({"endif"}, &s.otherwise, &tag);
    --n_conditions_;
    return ok;
  }

  bool for_statement(Statement& s) {
    std::string end;
    next();
    if (!target_tuple("in", &s.target)) return false;
    if (!skip_name("in")) return fail("expected 'in', found " + describe(current()));
    s.expressions.resize(2);
    if (!tuple(false, "recursive", &s.expressions[0])) return false;
    if (skip_name("if") && !in_scope(new_scope(), [&] { return expression(&s.expressions[1]); })) return false;
    s.recursive = skip_name("recursive");
    const uint32_t reads_before = n_reads_[program_.loop];
    s.body_scope = new_scope();
    ++loop_depth_;
    const bool ok = in_scope(s.body_scope, [&] {
      parameter(s.target);
      reference(program_.loop, false);
      return body({"else", "endfor"}, &s.body, &end);
    });
    --loop_depth_;
    s.uses_loop = s.recursive || n_reads_[program_.loop] != reads_before;
    if (!ok) return false;
    s.otherwise_scope = new_scope();
    return end == "endfor" || in_scope(s.otherwise_scope, [&] { return body({"endfor"}, &s.otherwise, &end); });
  }

  bool set_statement(Statement& s) {
    std::string end;
    next();
    if (!target_tuple({}, &s.target)) return false;
    if (skip_op("=")) {
      s.expressions.emplace_back();
      if (!tuple(true, {}, &s.expressions.back())) return false;
      store(s.target);
      return true;
    }
    s.kind = Statement::Kind::kSetBlock;
    s.body_scope = new_scope();
    store(s.target);
    return filters(false, &s.filters) && in_scope(s.body_scope, [&] { return body({"endset"}, &s.body, &end); });
  }

  bool with_statement(Statement& s) {
    std::string end;
    next();
    while (current().kind != TokenKind::kBlockEnd && !at_op(":")) {
      if (!s.targets.empty() && !expect_op(",")) return false;
      s.targets.emplace_back();
      s.expressions.emplace_back();
      if (!target(false, &s.targets.back()) || !expect_op("=") || !expression(&s.expressions.back())) return false;
    }
    s.body_scope = new_scope();
    return in_scope(s.body_scope, [&] {
      for (const Target& t : s.targets) parameter(t);
      return body({"endwith"}, &s.body, &end);
    });
  }

  // Bodies that are functions of their own: no break out of them.
  template <typename F>
  bool without_loop(F&& f) {
    const int saved = loop_depth_;
    loop_depth_ = 0;
    const bool ok = f();
    loop_depth_ = saved;
    return ok;
  }

  bool macro_statement(Statement& s) {
    next();
    if (!stored_name(&s.name)) return false;
    reference(s.name, n_conditions_ == 0);
    s.body_scope = new_scope();
    return in_scope(s.body_scope, [&] { return signature(&s) && function_body(&s, "endmacro"); });
  }

  bool call_statement(Statement& s) {
    next();
    s.body_scope = new_scope();
    if (at_op("(") && !in_scope(s.body_scope, [&] { return signature(&s); })) return false;
    s.expressions.emplace_back();
    if (!expression(&s.expressions.back())) return false;
    const Expression& call = *s.expressions.back();
    if (call.kind != Expression::Kind::kSuffixed || call.suffixes.back().kind != Suffix::Kind::kCall) return fail("expected a call");
    return in_scope(s.body_scope, [&] { return function_body(&s, "endcall"); });
  }

  bool function_body(Statement* s, std::string_view end_tag) {
    std::string end;
    const uint32_t caller_reads = n_reads_[program_.caller];
    const uint32_t varargs_reads = n_reads_[program_.varargs];
    const uint32_t kwargs_reads = n_reads_[program_.kwargs];
    if (!without_loop([&] { return body({end_tag}, &s->body, &end); })) return false;
    s->uses_caller = n_reads_[program_.caller] != caller_reads;
    s->uses_varargs = n_reads_[program_.varargs] != varargs_reads;
    s->uses_kwargs = n_reads_[program_.kwargs] != kwargs_reads;
    return true;
  }

  bool signature(Statement* s) {
    if (!expect_op("(")) return false;
    while (!at_op(")")) {
      if (!s->parameters.empty() && !expect_op(",")) return false;
      NameId name = 0;
      if (!stored_name(&name)) return false;
      s->parameters.push_back(name);
      reference(name, false);
      if (skip_op("=")) {
        s->defaults.emplace_back();
        if (!expression(&s->defaults.back())) return false;
      } else if (!s->defaults.empty()) {
        return fail("non-default argument follows default argument");
      }
      if (!count_node()) return false;
    }
    next();
    return true;
  }

  bool stored_name(NameId* out) {
    if (current().kind != TokenKind::kName) return fail("expected a name, found " + describe(current()));
    if (is_constant_name(current().text)) return fail("can't assign to '" + current().text + "'");
    *out = intern(current().text);
    next();
    return true;
  }

  bool target(bool with_attribute, Target* out) {
    const Nesting nesting(this);
    if (!nesting.ok() || !count_node()) return false;
    if (skip_op("(")) return target_tuple({}, out) && expect_op(")");
    if (!stored_name(&out->name)) return false;
    if (!with_attribute || !skip_op(".")) return true;
    if (current().kind != TokenKind::kName) return fail("expected a name, found " + describe(current()));
    out->attribute = current().text;
    next();
    return true;
  }

  bool target_tuple(std::string_view end_name, Target* out) {
    if (!target(true, out)) return false;
    if (!at_op(",")) return true;
    Target first = std::move(*out);
    *out = Target();
    out->is_tuple = true;
    out->items.push_back(std::move(first));
    while (skip_op(",")) {
      if ((!end_name.empty() && at_name(end_name)) || at_op("=") || at_op(")") || current().kind == TokenKind::kBlockEnd) break;
      out->items.emplace_back();
      if (!target(true, &out->items.back())) return false;
    }
    return true;
  }

};

}  // namespace

Result<Program> parse_template(std::string_view source) {
  if (source.size() > kSourceBytesMax) {
    return Error{ErrorCode::kResourceExhausted, "chat template: " + std::to_string(source.size()) + " bytes, more than " + std::to_string(kSourceBytesMax)};
  }
  if (!is_valid_utf8(source)) return Error{ErrorCode::kInvalidArgument, "chat template: not valid UTF-8"};
  FS_TRY(std::vector<Token> tokens, tokenize(source));
  return Parser(std::move(tokens)).run();
}

}  // namespace firesteel::jinja
