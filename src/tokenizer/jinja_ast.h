// The compiled form of a template: a tree that is flat where templates are long (operator chains, suffixes, elif), so that its depth is
// the depth of nesting in the source, which the parser limits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace firesteel::jinja {

using NameId = uint32_t;  // index into Program::names

struct Expression;
using ExpressionPtr = std::unique_ptr<Expression>;

struct Argument {
  enum class Kind : uint8_t { kPositional, kKeyword, kSpreadList, kSpreadDict };
  Kind kind = Kind::kPositional;
  std::string keyword;
  ExpressionPtr value;
};

// What may follow a value: ".name", "[index]", "[a:b:c]", "(arguments)", "| filter(arguments)", "is test(arguments)".
struct Suffix {
  enum class Kind : uint8_t { kAttribute, kSubscript, kSlice, kCall, kFilter, kTest };
  Kind kind = Kind::kAttribute;
  bool negated = false;  // is not
  uint32_t line = 0;
  int builtin = -1;  // method named like the attribute, filter or test; -1 for none
  std::string name;
  std::vector<Argument> arguments;
  ExpressionPtr index;  // or start
  ExpressionPtr stop;
  ExpressionPtr step;
};

enum class Operator : uint8_t { kAdd, kSub, kMul, kDiv, kFloorDiv, kMod, kPow, kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

struct Expression {
  enum class Kind : uint8_t {
    kNone,
    kBool,         // integer
    kInt,          // integer
    kFloat,        // real
    kString,       // index: Program::strings
    kName,         // index: NameId
    kList,         // items
    kTuple,        // items
    kDict,         // items: key, value, key, value ...
    kSuffixed,     // items[0], then suffixes
    kNot,          // items[0]
    kNegate,       // items[0]
    kPositive,     // items[0]
    kArithmetic,   // items[0] operators[0] items[1] operators[1] ..., from left to right
    kCompare,      // the same, all must hold
    kConcatenate,  // items
    kAnd,          // items
    kOr,           // items
    kConditional,  // items: value, condition, and otherwise if present
  };
  Kind kind = Kind::kNone;
  uint32_t line = 0;
  uint32_t index = 0;
  int64_t integer = 0;
  double real = 0;
  std::vector<ExpressionPtr> items;
  std::vector<Operator> operators;
  std::vector<Suffix> suffixes;
};

// Where "set" and "for" store: a name, an attribute of a namespace, or a tuple of these.
struct Target {
  NameId name = 0;
  std::string attribute;
  bool is_tuple = false;
  std::vector<Target> items;
};

struct Statement;
using Block = std::vector<Statement>;

struct Branch {
  ExpressionPtr condition;
  Block body;
};

struct Statement {
  enum class Kind : uint8_t {
    kText,         // index: Program::strings
    kOutput,       // expressions
    kIf,           // branches, otherwise
    kFor,          // target, expressions[0] iterable, expressions[1] filter or null, body, otherwise
    kSet,          // target, expressions[0]
    kSetBlock,     // target, filters, body
    kMacro,        // name, parameters, body
    kCall,         // expressions[0] ends in a call; parameters, body
    kFilter,       // filters, body
    kScope,        // targets, expressions, body: with; without targets: generation
    kBreak,
    kContinue,
  };
  Kind kind = Kind::kText;
  bool recursive = false;      // kFor
  bool uses_loop = false;      // kFor: its body reads `loop`
  bool uses_caller = false;    // kMacro: its body reads `caller` ...
  bool uses_varargs = false;
  bool uses_kwargs = false;
  uint32_t line = 0;
  uint32_t index = 0;
  uint32_t body_scope = 0;       // Program::hidden of the body, and of kFor's otherwise
  uint32_t otherwise_scope = 0;
  NameId name = 0;
  Target target;
  std::vector<Target> targets;
  std::vector<ExpressionPtr> expressions;
  std::vector<Branch> branches;
  std::vector<Suffix> filters;
  std::vector<NameId> parameters;
  std::vector<ExpressionPtr> defaults;  // for the last parameters
  Block body;
  Block otherwise;
};

// Immutable once parsed; shared between threads.
struct Program {
  Block body;
  std::vector<std::string> strings;
  std::vector<std::string> names;
  std::vector<bool> name_is_read;  // somewhere in the template
  // For each scope (0 is the outermost) the names that are undefined when it begins, although the context may have them: Jinja decides
  // by the source that a name which a scope sets, before it reads it and not under a condition, is the scope's own.
  std::vector<std::vector<NameId>> hidden;
  // Names the interpreter itself binds.
  NameId loop = 0;
  NameId caller = 0;
  NameId varargs = 0;
  NameId kwargs = 0;
};

// kInvalidArgument with line and reason, kUnsupported for Jinja that is not in the subset, kResourceExhausted when too long or too deep.
Result<Program> parse_template(std::string_view source);

}  // namespace firesteel::jinja
