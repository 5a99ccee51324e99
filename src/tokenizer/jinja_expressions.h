// Recursive descent over the tokens of expressions, following the grammar of Jinja 3.1 (its oddities included: unary minus binds
// tighter than "**", "is" takes one argument without brackets). Statements: jinja_parser.cc, the only user.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tokenizer/jinja_ast.h"
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_lexer.h"

namespace firesteel::jinja {

inline constexpr size_t kNodesMax = 100'000;  // the largest real templates have a few thousand
inline constexpr int kDepthMax = 100;

inline bool is_constant_name(std::string_view name) {
  return name == "true" || name == "True" || name == "false" || name == "False" || name == "none" || name == "None";
}

class ExpressionParser {
 protected:
  explicit ExpressionParser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  // --- tokens

  const Token& current() const { return tokens_[position_]; }
  const Token& look(size_t ahead) const { return tokens_[std::min(position_ + ahead, tokens_.size() - 1)]; }
  void next() {
    if (position_ + 1 < tokens_.size()) ++position_;
  }
  bool at_name(std::string_view name) const { return current().kind == TokenKind::kName && current().text == name; }
  bool at_op(std::string_view op) const { return current().kind == TokenKind::kOperator && current().text == op; }
  bool skip_name(std::string_view name) {
    if (!at_name(name)) return false;
    next();
    return true;
  }
  bool skip_op(std::string_view op) {
    if (!at_op(op)) return false;
    next();
    return true;
  }
  bool expect_op(std::string_view op) { return skip_op(op) || fail("expected '" + std::string(op) + "', found " + describe(current())); }

  static std::string describe(const Token& token) {
    switch (token.kind) {
      case TokenKind::kText: return "text";
      case TokenKind::kOutputBegin: return "'{{'";
      case TokenKind::kOutputEnd: return "'}}'";
      case TokenKind::kBlockBegin: return "'{%'";
      case TokenKind::kBlockEnd: return "'%}'";
      case TokenKind::kString: return "a string";
      case TokenKind::kInteger:
      case TokenKind::kFloat: return "a number";
      case TokenKind::kEnd: return "the end of the template";
      case TokenKind::kName:
      case TokenKind::kOperator: break;
    }
    return "'" + token.text + "'";
  }

  bool fail(const std::string& reason, ErrorCode code = ErrorCode::kInvalidArgument) {
    error_ = source_error(code, current().line, reason);
    return false;
  }

  // One more level of nesting while it lives.
  class Nesting {
   public:
    explicit Nesting(ExpressionParser* parser) : parser_(parser) { ++parser_->depth_; }
    ~Nesting() { --parser_->depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    bool ok() const {
      return parser_->depth_ <= kDepthMax || parser_->fail("nested deeper than " + std::to_string(kDepthMax), ErrorCode::kResourceExhausted);
    }

   private:
    ExpressionParser* parser_;
  };

  bool count_node() {
    return ++n_nodes_ <= kNodesMax || fail("more than " + std::to_string(kNodesMax) + " nodes", ErrorCode::kResourceExhausted);
  }

  bool make(Expression::Kind kind, ExpressionPtr* out) {
    if (!count_node()) return false;
    *out = std::make_unique<Expression>();
    (*out)->kind = kind;
    (*out)->line = current().line;
    return true;
  }

  NameId intern(const std::string& name) {
    const auto [entry, added] = ids_.emplace(name, static_cast<NameId>(program_.names.size()));
    if (added) {
      program_.names.push_back(name);
      n_reads_.push_back(0);
    }
    return entry->second;
  }

  // --- scopes, only to know which names begin undefined

  struct ScopeRecord {
    uint32_t parent = 0;
    std::unordered_map<NameId, bool> references;  // true: the first reference stores, unconditionally
  };

  // Runs f, which parses what belongs to the scope, and returns its result.
  template <typename F>
  bool in_scope(uint32_t scope, F&& f) {
    const uint32_t saved_scope = std::exchange(scope_, scope);
    const int saved_conditions = std::exchange(n_conditions_, 0);
    const bool ok = f();
    scope_ = saved_scope;
    n_conditions_ = saved_conditions;
    return ok;
  }

  uint32_t new_scope() {
    scopes_.push_back({scope_, {}});
    return static_cast<uint32_t>(scopes_.size() - 1);
  }

  void reference(NameId name, bool hides) { scopes_[scope_].references.emplace(name, hides); }

  void store(const Target& target) {
    if (target.is_tuple) {
      for (const Target& item : target.items) store(item);
    } else {
      reference(target.name, target.attribute.empty() && n_conditions_ == 0);
    }
  }

  void parameter(const Target& target) {
    if (!target.is_tuple) return reference(target.name, false);
    for (const Target& item : target.items) parameter(item);
  }

  void hide_names() {
    program_.hidden.resize(scopes_.size());
    for (uint32_t scope = 0; scope < scopes_.size(); ++scope) {
      for (const auto& [name, hides] : scopes_[scope].references) {
        bool inherited = !hides;
        for (uint32_t outer = scope; outer != 0 && !inherited;) {
          outer = scopes_[outer].parent;
          inherited = scopes_[outer].references.contains(name);
        }
        if (!inherited) program_.hidden[scope].push_back(name);
      }
    }
  }

  uint32_t intern_string(std::string text) {
    program_.strings.push_back(std::move(text));
    return static_cast<uint32_t>(program_.strings.size() - 1);
  }

  // --- expressions

  bool at_tuple_end(std::string_view end_name) const {
    return current().kind == TokenKind::kOutputEnd || current().kind == TokenKind::kBlockEnd || at_op(")") ||
           (!end_name.empty() && at_name(end_name));
  }

  // "a" or "a, b" without brackets around.
  bool tuple(bool conditional, std::string_view end_name, ExpressionPtr* out) {
    if (at_tuple_end(end_name)) return fail("expected an expression, found " + describe(current()));
    ExpressionPtr first;
    if (!(conditional ? expression(&first) : or_chain(&first))) return false;
    if (!at_op(",")) {
      *out = std::move(first);
      return true;
    }
    if (!make(Expression::Kind::kTuple, out)) return false;
    (*out)->items.push_back(std::move(first));
    while (skip_op(",")) {
      if (at_tuple_end(end_name)) break;
      (*out)->items.emplace_back();
      if (!(conditional ? expression(&(*out)->items.back()) : or_chain(&(*out)->items.back()))) return false;
    }
    return true;
  }

  bool expression(ExpressionPtr* out) {
    const Nesting nesting(this);
    if (!nesting.ok() || !or_chain(out)) return false;
    while (at_name("if")) {
      ExpressionPtr whole;
      if (!make(Expression::Kind::kConditional, &whole)) return false;
      next();
      whole->items.resize(2);
      whole->items[0] = std::move(*out);
      if (!or_chain(&whole->items[1])) return false;
      if (skip_name("else")) {
        whole->items.emplace_back();
        if (!expression(&whole->items.back())) return false;
      }
      *out = std::move(whole);
      // "a if b if c ...": each makes the tree one deeper.
      if (at_name("if")) return fail("a conditional expression in a conditional expression needs brackets", ErrorCode::kUnsupported);
    }
    return true;
  }

  // item (separator item)*, flat.
  template <typename Item, typename Separator>
  bool chain(Expression::Kind kind, ExpressionPtr* out, Item&& item, Separator&& separator) {
    if (!item(out)) return false;
    Operator op = Operator::kAdd;
    if (!separator(&op)) return true;
    ExpressionPtr whole;
    if (!make(kind, &whole)) return false;
    whole->items.push_back(std::move(*out));
    do {
      whole->operators.push_back(op);
      whole->items.emplace_back();
      if (!item(&whole->items.back())) return false;
    } while (separator(&op));
    *out = std::move(whole);
    return true;
  }

  bool or_chain(ExpressionPtr* out) {
    return chain(Expression::Kind::kOr, out, [&](ExpressionPtr* e) { return and_chain(e); }, [&](Operator*) { return skip_name("or"); });
  }

  bool and_chain(ExpressionPtr* out) {
    return chain(Expression::Kind::kAnd, out, [&](ExpressionPtr* e) { return negation(e); }, [&](Operator*) { return skip_name("and"); });
  }

  bool negation(ExpressionPtr* out) {
    if (!at_name("not")) return comparison(out);
    const Nesting nesting(this);
    if (!nesting.ok() || !make(Expression::Kind::kNot, out)) return false;
    next();
    (*out)->items.emplace_back();
    return negation(&(*out)->items.back());
  }

  bool comparison(ExpressionPtr* out) {
    static constexpr std::array<std::pair<std::string_view, Operator>, 6> kOperators = {
        {{"==", Operator::kEq}, {"!=", Operator::kNe}, {"<", Operator::kLt}, {"<=", Operator::kLe}, {">", Operator::kGt}, {">=", Operator::kGe}}};
    return chain(
        Expression::Kind::kCompare, out, [&](ExpressionPtr* e) { return sum(e); },
        [&](Operator* op) {
          for (const auto& [text, candidate] : kOperators) {
            *op = candidate;
            if (skip_op(text)) return true;
          }
          *op = Operator::kIn;
          if (skip_name("in")) return true;
          if (!at_name("not") || look(1).kind != TokenKind::kName || look(1).text != "in") return false;
          *op = Operator::kNotIn;
          next();
          next();
          return true;
        });
  }

  bool sum(ExpressionPtr* out) {
    return chain(
        Expression::Kind::kArithmetic, out, [&](ExpressionPtr* e) { return concatenation(e); },
        [&](Operator* op) {
          *op = at_op("+") ? Operator::kAdd : Operator::kSub;
          return skip_op("+") || skip_op("-");
        });
  }

  bool concatenation(ExpressionPtr* out) {
    return chain(Expression::Kind::kConcatenate, out, [&](ExpressionPtr* e) { return product(e); }, [&](Operator*) { return skip_op("~"); });
  }

  bool product(ExpressionPtr* out) {
    return chain(
        Expression::Kind::kArithmetic, out, [&](ExpressionPtr* e) { return power(e); },
        [&](Operator* op) {
          *op = at_op("*") ? Operator::kMul : at_op("/") ? Operator::kDiv : at_op("//") ? Operator::kFloorDiv : Operator::kMod;
          return skip_op("*") || skip_op("/") || skip_op("//") || skip_op("%");
        });
  }

  bool power(ExpressionPtr* out) {
    return chain(
        Expression::Kind::kArithmetic, out, [&](ExpressionPtr* e) { return unary(true, e); },
        [&](Operator* op) {
          *op = Operator::kPow;
          return skip_op("**");
        });
  }

  bool unary(bool with_filters, ExpressionPtr* out) {
    if (at_op("-") || at_op("+")) {
      const Nesting nesting(this);
      if (!nesting.ok() || !make(at_op("-") ? Expression::Kind::kNegate : Expression::Kind::kPositive, out)) return false;
      next();
      (*out)->items.emplace_back();
      if (!unary(false, &(*out)->items.back())) return false;
    } else if (!primary(out)) {
      return false;
    }
    return suffixes(with_filters, out);
  }

  bool primary(ExpressionPtr* out) {
    const Token& token = current();
    switch (token.kind) {
      case TokenKind::kName:
        if (is_constant_name(token.text)) {
          const bool none = token.text == "none" || token.text == "None";
          if (!make(none ? Expression::Kind::kNone : Expression::Kind::kBool, out)) return false;
          (*out)->integer = token.text == "true" || token.text == "True";
        } else {
          if (!make(Expression::Kind::kName, out)) return false;
          (*out)->index = intern(token.text);
          ++n_reads_[(*out)->index];
          reference((*out)->index, false);
        }
        next();
        return true;
      case TokenKind::kString: {
        if (!make(Expression::Kind::kString, out)) return false;
        std::string text = token.text;
        next();
        for (; current().kind == TokenKind::kString; next()) text += current().text;
        (*out)->index = intern_string(std::move(text));
        return true;
      }
      case TokenKind::kInteger:
        if (!make(Expression::Kind::kInt, out)) return false;
        (*out)->integer = token.integer;
        next();
        return true;
      case TokenKind::kFloat:
        if (!make(Expression::Kind::kFloat, out)) return false;
        (*out)->real = token.real;
        next();
        return true;
      case TokenKind::kOperator:
        if (token.text == "(") {
          next();
          if (at_op(")")) {
            if (!make(Expression::Kind::kTuple, out)) return false;
          } else if (!tuple(true, {}, out)) {
            return false;
          }
          return expect_op(")");
        }
        if (token.text == "[") return list(out);
        if (token.text == "{") return dict(out);
        break;
      default: break;
    }
    return fail("unexpected " + describe(token));
  }

  bool list(ExpressionPtr* out) {
    if (!make(Expression::Kind::kList, out)) return false;
    next();
    while (!at_op("]")) {
      if (!(*out)->items.empty() && !expect_op(",")) return false;
      if (at_op("]")) break;
      (*out)->items.emplace_back();
      if (!expression(&(*out)->items.back())) return false;
    }
    next();
    return true;
  }

  bool dict(ExpressionPtr* out) {
    if (!make(Expression::Kind::kDict, out)) return false;
    next();
    while (!at_op("}")) {
      if (!(*out)->items.empty() && !expect_op(",")) return false;
      if (at_op("}")) break;
      ExpressionPtr key;
      ExpressionPtr value;
      if (!expression(&key) || !expect_op(":") || !expression(&value)) return false;
      (*out)->items.push_back(std::move(key));
      (*out)->items.push_back(std::move(value));
    }
    next();
    return true;
  }

  // Turns *out into a suffixed expression if it is not one yet, and adds a suffix.
  bool add_suffix(Suffix::Kind kind, ExpressionPtr* out, Suffix** suffix) {
    if (!count_node()) return false;
    if ((*out)->kind != Expression::Kind::kSuffixed) {
      ExpressionPtr whole;
      if (!make(Expression::Kind::kSuffixed, &whole)) return false;
      whole->items.push_back(std::move(*out));
      *out = std::move(whole);
    }
    (*out)->suffixes.emplace_back();
    *suffix = &(*out)->suffixes.back();
    (*suffix)->kind = kind;
    (*suffix)->line = current().line;
    return true;
  }

  bool suffixes(bool with_filters, ExpressionPtr* out) {
    // "(a.b).c" parses as one chain, which means the same; but "-x.y" keeps its minus inside.
    Suffix* suffix = nullptr;
    bool filtered = false;  // behind a filter or test only filters, tests and calls may follow
    while (true) {
      if (!filtered && at_op(".")) {
        if (!attribute(out)) return false;
      } else if (!filtered && at_op("[")) {
        if (!subscript(out)) return false;
      } else if (at_op("(")) {
        if (!add_suffix(Suffix::Kind::kCall, out, &suffix) || !arguments(&suffix->arguments)) return false;
      } else if (with_filters && at_op("|")) {
        filtered = true;
        next();
        if (!add_suffix(Suffix::Kind::kFilter, out, &suffix) || !filter(suffix)) return false;
      } else if (with_filters && at_name("is")) {
        filtered = true;
        next();
        if (!add_suffix(Suffix::Kind::kTest, out, &suffix) || !test(suffix)) return false;
      } else {
        return true;
      }
    }
  }

  bool attribute(ExpressionPtr* out) {
    Suffix* suffix = nullptr;
    next();
    const bool is_index = current().kind == TokenKind::kInteger;
    if (!is_index && current().kind != TokenKind::kName) return fail("expected a name or number behind '.', found " + describe(current()));
    if (!add_suffix(is_index ? Suffix::Kind::kSubscript : Suffix::Kind::kAttribute, out, &suffix)) return false;
    if (is_index) {
      if (!make(Expression::Kind::kInt, &suffix->index)) return false;
      suffix->index->integer = current().integer;
    } else {
      suffix->name = current().text;
      suffix->builtin = find_method(suffix->name);
    }
    next();
    return true;
  }

  bool subscript(ExpressionPtr* out) {
    Suffix* suffix = nullptr;
    if (!add_suffix(Suffix::Kind::kSubscript, out, &suffix)) return false;
    next();
    if (!at_op(":") && !expression(&suffix->index)) return false;
    if (suffix->index != nullptr && at_op(",")) {
      ExpressionPtr tuple_index;
      if (!make(Expression::Kind::kTuple, &tuple_index)) return false;
      tuple_index->items.push_back(std::move(suffix->index));
      while (skip_op(",") && !at_op("]")) {
        tuple_index->items.emplace_back();
        if (!expression(&tuple_index->items.back())) return false;
      }
      suffix->index = std::move(tuple_index);
    } else if (skip_op(":")) {
      suffix->kind = Suffix::Kind::kSlice;
      if (!at_op(":") && !at_op("]") && !expression(&suffix->stop)) return false;
      if (skip_op(":") && !at_op("]") && !expression(&suffix->step)) return false;
    }
    return expect_op("]");
  }

  bool arguments(std::vector<Argument>* out) {
    if (!expect_op("(")) return false;
    while (!at_op(")")) {
      if (!out->empty()) {
        if (!expect_op(",")) return false;
        if (at_op(")")) break;
      }
      Argument argument;
      if (skip_op("*")) {
        argument.kind = Argument::Kind::kSpreadList;
      } else if (skip_op("**")) {
        argument.kind = Argument::Kind::kSpreadDict;
      } else if (current().kind == TokenKind::kName && look(1).kind == TokenKind::kOperator && look(1).text == "=") {
        argument.kind = Argument::Kind::kKeyword;
        argument.keyword = current().text;
        next();
        next();
      } else if (!out->empty() && out->back().kind != Argument::Kind::kPositional) {
        return fail("positional argument behind a keyword argument");
      }
      if (!expression(&argument.value)) return false;
      out->push_back(std::move(argument));
    }
    next();
    return true;
  }

  // A dotted name, at the name.
  bool dotted_name(std::string* out) {
    if (current().kind != TokenKind::kName) return fail("expected a name, found " + describe(current()));
    *out = current().text;
    next();
    while (at_op(".")) {
      next();
      if (current().kind != TokenKind::kName) return fail("expected a name, found " + describe(current()));
      *out += "." + current().text;
      next();
    }
    return true;
  }

  bool filter(Suffix* suffix) {
    if (!dotted_name(&suffix->name)) return false;
    suffix->builtin = find_filter(suffix->name);
    if (suffix->builtin < 0) return fail("there is no filter named '" + suffix->name + "'", ErrorCode::kUnsupported);
    return !at_op("(") || arguments(&suffix->arguments);
  }

  // "| a | b(c)" of block sets and filter blocks; in the latter the first has no bar.
  bool filters(bool start_inline, std::vector<Suffix>* out) {
    while (start_inline || skip_op("|")) {
      start_inline = false;
      if (!count_node()) return false;
      out->emplace_back();
      out->back().kind = Suffix::Kind::kFilter;
      out->back().line = current().line;
      if (!filter(&out->back())) return false;
    }
    return true;
  }

  bool test(Suffix* suffix) {
    suffix->negated = skip_name("not");
    if (!dotted_name(&suffix->name)) return false;
    suffix->builtin = find_test(suffix->name);
    if (suffix->builtin < 0) return fail("there is no test named '" + suffix->name + "'", ErrorCode::kUnsupported);
    if (at_op("(")) return arguments(&suffix->arguments);
    const TokenKind kind = current().kind;
    const bool starts_value = kind == TokenKind::kString || kind == TokenKind::kInteger || kind == TokenKind::kFloat ||
                              kind == TokenKind::kName || at_op("[") || at_op("{");
    if (!starts_value || at_name("else") || at_name("or") || at_name("and")) return true;
    if (at_name("is")) return fail("tests cannot be chained with 'is'");
    const Nesting nesting(this);
    Argument argument;
    if (!nesting.ok() || !primary(&argument.value) || !suffixes(false, &argument.value)) return false;
    suffix->arguments.push_back(std::move(argument));
    return true;
  }

  std::vector<Token> tokens_;
  size_t position_ = 0;
  int depth_ = 0;
  int loop_depth_ = 0;
  size_t n_nodes_ = 0;
  Program program_;
  std::unordered_map<std::string, NameId> ids_;
  std::vector<uint32_t> n_reads_;
  std::vector<ScopeRecord> scopes_;
  uint32_t scope_ = 0;
  int n_conditions_ = 0;  // "if" around this place, within its scope
  Error error_;
};

}  // namespace firesteel::jinja
