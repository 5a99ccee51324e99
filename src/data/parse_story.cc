#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "data/curriculum_parser.h"

namespace firesteel {
namespace {

struct NamedSlot {
  std::string_view name;
  Slot::Kind kind;
};

constexpr NamedSlot kPersonSlots[] = {
    {"he", Slot::Kind::kHe},   {"him", Slot::Kind::kHim}, {"his", Slot::Kind::kHis}, {"himself", Slot::Kind::kHimself}, {"has", Slot::Kind::kHas},
    {"does", Slot::Kind::kDoes}, {"is", Slot::Kind::kIs},   {"was", Slot::Kind::kWas}, {"s", Slot::Kind::kVerbS},           {"es", Slot::Kind::kVerbEs}};
constexpr NamedSlot kNounSlots[] = {{"one", Slot::Kind::kNounOne}, {"many", Slot::Kind::kNounMany}, {"a", Slot::Kind::kNounA}};
constexpr NamedSlot kAgreementSlots[] = {
    {"s", Slot::Kind::kAgreeS}, {"is", Slot::Kind::kAgreeIs}, {"was", Slot::Kind::kAgreeWas}, {"has", Slot::Kind::kAgreeHas}};
constexpr std::string_view kFormats[] = {"0", "1", "2", "3", ",", "d", "02", "w", "n", "th", "word th", "$"};

const NamedSlot* find_slot(std::span<const NamedSlot> slots, std::string_view name) {
  const auto found = std::find_if(slots.begin(), slots.end(), [&](const NamedSlot& slot) { return slot.name == name; });
  return found == slots.end() ? nullptr : &*found;
}

class StoryParser {
 public:
  StoryParser(std::span<const SourceLine> lines, const TableMap& tables, const RuleMap& rules)
      : lines_(lines), tables_(tables), rules_(rules) {}

  Result<Story> parse() {
    const SourceLine& head = lines_[0];
    story_.kind = std::string(head.rest);
    story_.place = head.place();
    if (story_.kind.empty() || story_.kind.find(' ') != std::string::npos) return head.expected("a kind such as math/change/give");
    std::vector<std::pair<const SourceLine*, std::string>> statements;  // with continuation lines joined
    for (const SourceLine& line : lines_.subspan(1)) {
      const bool in_ask = !statements.empty() && asking(statements, statements.size());
      if (line.word == "|" && !in_ask) {
        if (statements.empty()) return line.expected("a statement before '|'");
        statements.back().second += ' ';
        statements.back().second += line.text;
      } else {
        statements.emplace_back(&line, std::string(line.word == "|" ? line.rest : line.text));
      }
    }
    for (const auto& [line, text] : statements) {
      if (line->word == "rule") FS_TRY_VOID(rule(*line, text));
    }
    bool in_ask = false;
    for (const auto& [line, text] : statements) {
      in_ask = in_ask || line->word == "ask";
      FS_TRY(const bool done, declaration(*line, text, in_ask));
      (void)done;
    }
    const bool is_chat = head.word == "chat";
    for (const auto& [line, text] : statements) FS_TRY_VOID(statement(*line, text, is_chat));
    if (is_chat) {
      if (story_.turns.size() < 2 || story_.turns.back().user || !story_.turns[story_.turns.size() - 2].user) {
        return head.error("a chat needs a user line and ends with the assistant's");
      }
    } else {
      if (story_.asks.empty()) return head.error("a story needs a question: ask NAME = ...");
      for (Ask& ask : story_.asks) FS_TRY_VOID(finish(&ask));
    }
    find_shown();
    return std::move(story_);
  }

 private:
  static bool asking(const std::vector<std::pair<const SourceLine*, std::string>>& statements, size_t end) {
    for (size_t i = 0; i < end; ++i) {
      if (statements[i].first->word == "ask") return true;
    }
    return false;
  }

  // "WORD rest" without the word.
  static std::string_view after_word(std::string_view text) {
    const size_t blank = std::min(text.find(' '), text.size());
    return trimmed(text.substr(blank));
  }

  int find_variable(std::string_view name) const {
    for (size_t i = 0; i < story_.variables.size(); ++i) {
      if (story_.variables[i].name == name) return static_cast<int>(i);
    }
    return -1;
  }

  static int find_column(const Table& table, std::string_view name) {
    const auto found = std::find(table.columns.begin(), table.columns.end(), name);
    return found == table.columns.end() ? -1 : static_cast<int>(found - table.columns.begin());
  }

  Result<VariableRef> resolve(std::string_view name) const {
    const size_t dot = name.find('.');
    const int index = find_variable(name.substr(0, dot));
    if (index < 0 && name == "answer") return VariableRef{kAnswerVariable, -1};
    if (index < 0) return Error{ErrorCode::kInvalidArgument, fmt::format("'{}' is not declared (above)", name)};
    const Variable& variable = story_.variables[static_cast<size_t>(index)];
    if (dot == std::string_view::npos) return VariableRef{index, -1};
    const std::string_view column_name = name.substr(dot + 1);
    if (variable.kind == Variable::Kind::kPick) {
      const int column = find_column(*variable.table, column_name);
      if (column >= 0) return VariableRef{index, column};
      return Error{ErrorCode::kInvalidArgument, fmt::format("'{}': {} has no column '{}'", name, variable.table->name, column_name)};
    }
    return Error{ErrorCode::kInvalidArgument, fmt::format("'{}': only a pick has columns", name)};
  }

  Result<Formula> formula(const SourceLine& line, std::string_view text) const {
    Result<Formula> result = Formula::parse(trimmed(text), [this](std::string_view name) { return resolve(name); });
    if (!result.ok()) return line.error(result.error().message);
    return result;
  }

  Result<Slot> slot(std::string_view source) const {
    const auto bad = [&](std::string_view reason) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("slot '{{{}}}': {}", source, reason)};
    };
    Slot slot;
    std::string_view name = source;
    if (!source.starts_with("s:")) {
      const size_t colon = source.rfind(':');
      if (colon != std::string_view::npos) {
        const std::string_view format = source.substr(colon + 1);
        if (std::find(std::begin(kFormats), std::end(kFormats), format) != std::end(kFormats)) {
          slot.format = std::string(format);
          name = source.substr(0, colon);
        } else if (source[0] != '=') {
          return bad(fmt::format("no format '{}'", format));
        }
      }
    }
    if (name.starts_with("=")) {
      FS_TRY(slot.formula, Formula::parse(name.substr(1), [this](std::string_view word) { return resolve(word); }));
      slot.computed = true;
      return slot;
    }
    if (name == "answer" && find_variable(name) < 0) {
      slot.kind = Slot::Kind::kAnswer;
      return slot;
    }
    if (find_variable(name.substr(0, name.find_first_of(".:"))) < 0) {
      if (name.starts_with("s:")) {
        const size_t slash = name.find('/');
        if (slash == std::string_view::npos) return bad("expected {s:one/many}");
        slot.kind = Slot::Kind::kAgreePair;
        slot.one = std::string(name.substr(2, slash - 2));
        slot.many = std::string(name.substr(slash + 1));
        return slot;
      }
      const NamedSlot* agreement = find_slot(kAgreementSlots, name);
      if (agreement == nullptr) return bad("not declared");
      slot.kind = agreement->kind;
      return slot;
    }
    return variable_slot(name, std::move(slot));
  }

  Result<Slot> variable_slot(std::string_view name, Slot slot) const {
    std::vector<std::string_view> parts;
    for (size_t begin = 0;;) {
      const size_t dot = name.find('.', begin);
      parts.push_back(name.substr(begin, dot - begin));
      if (dot == std::string_view::npos) break;
      begin = dot + 1;
    }
    const int index = find_variable(parts[0]);
    slot.ref.variable = index;
    const Variable& variable = story_.variables[static_cast<size_t>(index)];
    const auto bad = [&] { return Error{ErrorCode::kInvalidArgument, fmt::format("slot '{{{}}}': no column or form of that name", name)}; };
    size_t next = 1;
    if (variable.kind == Variable::Kind::kMix) {
      int item = 0;
      if (parts.size() != 2 || std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), item).ec != std::errc{} || item < 1 ||
          static_cast<size_t>(item) > variable.mixed.size()) {
        return bad();
      }
      slot.ref.column = item - 1;
      return slot;
    }
    if (variable.kind != Variable::Kind::kPick) return parts.size() == 1 ? Result<Slot>(std::move(slot)) : bad();
    const Table& table = *variable.table;
    if (table.is_people) {
      if (parts.size() == 1) {
        slot.kind = Slot::Kind::kName;
        return slot;
      }
      const NamedSlot* person = parts.size() == 2 ? find_slot(kPersonSlots, parts[1]) : nullptr;
      if (person == nullptr) return bad();
      slot.kind = person->kind;
      return slot;
    }
    int column = 0;
    if (parts.size() > next && find_column(table, parts[next]) >= 0) {
      column = find_column(table, parts[next]);
      ++next;
    }
    slot.ref.column = column;
    const bool is_noun = table.is_noun[static_cast<size_t>(column)];
    if (is_noun) slot.kind = Slot::Kind::kNoun;
    if (parts.size() == next) return slot;
    const NamedSlot* noun = is_noun && parts.size() == next + 1 ? find_slot(kNounSlots, parts[next]) : nullptr;
    if (noun == nullptr) return bad();
    slot.kind = noun->kind;
    return slot;
  }

  Result<Wording> wording(const SourceLine& line, std::string_view text) const {
    const Wording::Context context{
        [this](std::string_view source) { return slot(source); },
        [this](std::string_view name) -> const std::string* {
          const auto local = local_rules_.find(name);
          if (local != local_rules_.end()) return &local->second;
          const auto global = rules_.find(name);
          return global == rules_.end() ? nullptr : &global->second;
        }};
    Result<Wording> result = Wording::parse(trimmed(text), context);
    if (!result.ok()) return line.error(result.error().message);
    return result;
  }

  Status rule(const SourceLine& line, std::string_view text) {
    const std::string_view rest = after_word(text);
    const size_t equals = rest.find('=');
    const std::string_view name = trimmed(rest.substr(0, equals));
    if (equals == std::string_view::npos || !is_identifier(name)) return line.expected("rule NAME = TEXT | TEXT ...");
    local_rules_[std::string(name)] = std::string(trimmed(rest.substr(equals + 1)));
    return {};
  }

  // pick, num, let, const, mix, need (before questions). True when the statement was one.
  Result<bool> declaration(const SourceLine& line, std::string_view text, bool in_ask) {
    const std::string_view word = line.word;
    const std::string_view rest = after_word(text);
    if (word == "pick") {
      FS_TRY_VOID(pick(line, rest));
    } else if (word == "num" || word == "let" || word == "const" || word == "mix") {
      FS_TRY_VOID(assignment(line, rest));
    } else if (word == "need" && !in_ask) {
      FS_TRY(Formula condition, formula(line, rest));
      story_.needs.push_back({story_.variables.size(), std::move(condition)});
    } else {
      return false;
    }
    return true;
  }

  Status new_name(const SourceLine& line, std::string_view name) const {
    if (!is_identifier(name)) return line.expected("a name");
    if (find_variable(name) >= 0) return line.error(fmt::format("'{}' is declared twice", name));
    if (name == "answer" || name == "pi" || find_slot(kAgreementSlots, name) != nullptr) return line.error(fmt::format("the name '{}' is taken", name));
    return {};
  }

  Status pick(const SourceLine& line, std::string_view rest) {
    const size_t colon = rest.find(':');
    if (colon == std::string_view::npos) return line.expected("pick NAME, NAME: LIST");
    std::string_view table_name = trimmed(rest.substr(colon + 1));
    std::string_view condition;
    if (const size_t at = table_name.find(" if "); at != std::string_view::npos) {
      condition = table_name.substr(at + 4);
      table_name = trimmed(table_name.substr(0, at));
    }
    const auto found = tables_.find(table_name);
    if (found == tables_.end()) return line.error(fmt::format("no list or table '{}'", table_name));
    const Table& table = *found->second;
    std::vector<size_t> rows;
    std::optional<Formula> filter;
    if (!condition.empty()) {
      Result<Formula> parsed = Formula::parse(trimmed(condition), [&table](std::string_view name) -> Result<VariableRef> {
        const int column = find_column(table, name);
        if (column >= 0) return VariableRef{0, column};
        return Error{ErrorCode::kInvalidArgument, fmt::format("{} has no column '{}'", table.name, name)};
      });
      if (!parsed.ok()) return line.error(parsed.error().message);
      filter = std::move(*parsed);
    }
    for (size_t i = 0; i < table.rows.size(); ++i) {
      const auto cell = [&](VariableRef ref) -> const Value& { return table.rows[i][static_cast<size_t>(ref.column)].value; };
      if (!filter || filter->holds(cell)) rows.push_back(i);
    }
    if (rows.empty()) return line.error("no row is left by the condition");
    for (const std::string_view name : split_outside(rest.substr(0, colon), ',')) {
      FS_TRY_VOID(new_name(line, name));
      Variable variable{.kind = Variable::Kind::kPick, .name = std::string(name), .label = std::string(name)};
      variable.table = &table;
      variable.rows = rows;
      story_.variables.push_back(std::move(variable));
    }
    return {};
  }

  Status assignment(const SourceLine& line, std::string_view rest) {
    const size_t equals = rest.find('=');
    if (equals == std::string_view::npos) return line.expected("NAME = ...");
    std::string_view name = trimmed(rest.substr(0, equals));
    const std::string_view value = trimmed(rest.substr(equals + 1));
    std::string label;
    if (const size_t quote = name.find('"'); quote != std::string_view::npos) {
      if (name.size() < quote + 2 || name.back() != '"') return line.expected("a label in quotes after the name");
      label = std::string(name.substr(quote + 1, name.size() - quote - 2));
      name = trimmed(name.substr(0, quote));
    }
    FS_TRY_VOID(new_name(line, name));
    Variable variable{.kind = Variable::Kind::kLet, .name = std::string(name), .label = label};
    if (label.empty()) {
      variable.label = name;
      std::replace(variable.label.begin(), variable.label.end(), '_', ' ');
    }
    if (line.word == "num") {
      FS_TRY_VOID(number(line, value, &variable));
    } else if (line.word == "mix") {
      variable.kind = Variable::Kind::kMix;
      for (const std::string_view item : split_outside(value, ',')) {
        Result<VariableRef> ref = resolve(item);
        if (!ref.ok()) return line.error(ref.error().message);
        variable.mixed.push_back(*ref);
      }
    } else {
      if (line.word == "const") variable.kind = Variable::Kind::kConst;
      FS_TRY(variable.formula, formula(line, value));
    }
    story_.variables.push_back(std::move(variable));
    return {};
  }

  Status number(const SourceLine& line, std::string_view value, Variable* variable) const {
    variable->kind = Variable::Kind::kNumber;
    const std::optional<size_t> dots = find_outside(value, "..");
    if (!dots) {
      for (const std::string_view option : split_outside(value, '|')) {
        FS_TRY(Formula parsed, formula(line, option));
        variable->options.push_back(std::move(parsed));
      }
      return {};
    }
    std::string_view high = value.substr(*dots + 2);
    std::string_view step = "1";
    if (const size_t at = high.find(" step "); at != std::string_view::npos) {
      step = high.substr(at + 6);
      high = high.substr(0, at);
    }
    FS_TRY(variable->low, formula(line, value.substr(0, *dots)));
    FS_TRY(variable->high, formula(line, high));
    FS_TRY(variable->step, formula(line, step));
    const auto constant = [](const Formula& f) { return f.node(f.root()).op == Formula::Op::kNumber; };
    variable->reserves = true;
    if (constant(*variable->low) && constant(*variable->high) && constant(*variable->step)) {
      const auto at = [](const Formula& f) { return f.node(f.root()).number.to_double(); };
      variable->reserves = (at(*variable->high) - at(*variable->low)) / at(*variable->step) >= 19;
    }
    return {};
  }

  Status statement(const SourceLine& line, std::string_view text, bool is_chat) {
    const std::string_view word = line.word;
    const std::string_view rest = after_word(text);
    if (word == "rule" || word == "pick" || word == "num" || word == "let" || word == "const" || word == "mix") return {};
    if (word == "need" && story_.asks.empty()) return {};
    if (word == "weight") {
      const std::optional<Decimal> weight = Decimal::parse(rest);
      if (!weight || weight->sign() <= 0) return line.expected("a positive number");
      story_.weight = weight->to_double();
      return {};
    }
    if (is_chat) return chat_statement(line, text);
    if (word == "ask") {
      after_fact_ = false;
      return ask(line, rest);
    }
    if (word == "fact" || word == "extra" || word == "spare") {
      const size_t colon = rest.find(':');
      if (colon == std::string_view::npos || !is_identifier(trimmed(rest.substr(0, colon)))) return line.expected("fact NAME: TEXT");
      Fact fact;
      fact.name = std::string(trimmed(rest.substr(0, colon)));
      fact.extra = word == "extra";
      fact.spare = word == "spare";
      FS_TRY(fact.wording, wording(line, rest.substr(colon + 1)));
      story_.facts.push_back(std::move(fact));
      after_fact_ = true;
      return {};
    }
    if (!story_.asks.empty()) return ask_statement(line, text);
    if (word == "order") {
      if (rest != "any" && rest != "fixed") return line.expected("order any or order fixed");
      story_.order_any = rest == "any";
      return {};
    }
    if (word == "repeat") {
      story_.may_repeat = true;
      return {};
    }
    return line.expected("weight, order, repeat, pick, num, let, const, mix, need, rule, fact, extra, spare or ask");
  }

  Status ask(const SourceLine& line, std::string_view rest) {
    ask_lines_.push_back(&line);
    Ask ask;
    std::string_view unit;
    if (const std::optional<size_t> arrow = find_outside(rest, "->")) {
      unit = trimmed(rest.substr(*arrow + 2));
      rest = trimmed(rest.substr(0, *arrow));
    }
    const size_t equals = rest.find('=');
    const std::string_view name = trimmed(rest.substr(0, equals));
    if (!is_identifier(name)) return line.expected("ask NAME = EXPRESSION -> UNIT");
    for (const Ask& other : story_.asks) {
      if (other.name == name) return line.error(fmt::format("'{}' is asked twice", name));
    }
    ask.name = std::string(name);
    if (equals != std::string_view::npos) {
      FS_TRY(ask.find, formula(line, rest.substr(equals + 1)));
      if (const int same = find_variable(name); same >= 0) ask.same_as = same;
    }
    if (!unit.empty()) {
      FS_TRY(ask.unit, wording(line, unit));
    }
    story_.asks.push_back(std::move(ask));
    questions_.emplace_back();
    given_.emplace_back();
    without_.emplace_back();
    return {};
  }

  Status ask_statement(const SourceLine& line, std::string_view text) {
    Ask& ask = story_.asks.back();
    const std::string_view word = line.word;
    const std::string_view rest = after_word(text);
    if (word == "|") {
      if (after_fact_) return line.error("a fact below a question stands on one line");
      if (!questions_.back().empty()) questions_.back() += " | ";
      questions_.back() += text;
      return {};
    }
    if (word == "given" || word == "without") {
      std::vector<std::string>& names = word == "given" ? given_.back() : without_.back();
      for (size_t begin = 0; begin < rest.size();) {
        const size_t end = std::min(rest.find(' ', begin), rest.size());
        if (end > begin) names.emplace_back(rest.substr(begin, end - begin));
        begin = end + 1;
      }
      if (word == "given" && names.empty()) names.emplace_back("-");  // "given" alone: no facts
      return {};
    }
    if (word == "need") {
      FS_TRY(Formula condition, formula(line, rest));
      ask.needs.push_back(std::move(condition));
      return {};
    }
    if (word == "plan:") {
      FS_TRY(ask.plan, wording(line, rest));
      return {};
    }
    if (word == "work:" || word == "think:") {
      FS_TRY(Wording one, wording(line, rest));
      (word == "work:" ? ask.work : ask.think).push_back(std::move(one));
      return {};
    }
    if (word == "answer:" || word == "answer" || word == "say:" || word == "say") return reply(line, text, &ask.replies);
    if (word == "grade") {
      ask.grader = std::string(rest);
      return {};
    }
    if (word == "signed") return set(&ask.is_signed);
    if (word == "long") return set(&ask.is_long);
    if (word == "hand") return set(&ask.by_hand);
    if (word == "question" && rest == "last") return set(&ask.question_last);
    if (word == "modes") return modes(line, rest, &ask.modes);
    return line.expected("'|' and a wording, or given, without, need, plan:, work:, think:, answer:, say:, grade, signed, long, hand, modes, question last");
  }

  static Status set(bool* flag) {
    *flag = true;
    return {};
  }

  static Status modes(const SourceLine& line, std::string_view rest, Modes* out) {
    *out = {false, false, false};
    for (const std::string_view mode : split_outside(rest, ' ')) {
      if (mode == "tool") {
        out->tool = true;
      } else if (mode == "work" || mode == "think") {
        out->work = true;
      } else if (mode == "instant") {
        out->instant = true;
      } else if (!mode.empty()) {
        return line.expected("tool, work (think in a chat) and instant");
      }
    }
    return {};
  }

  // "answer: TEXT", "say if CONDITION: TEXT"
  Status reply(const SourceLine& line, std::string_view text, std::vector<Reply>* out) const {
    Reply reply;
    reply.say = text.starts_with("say");
    std::string_view rest = trimmed(text.substr(reply.say ? 3 : 6));
    if (rest.starts_with("if ")) {
      // The colon that ends the condition is the last one before the text: those of "? :" have blanks before them.
      size_t colon = 3;
      while (colon < rest.size() && !(rest[colon] == ':' && rest[colon - 1] != ' ')) ++colon;
      if (colon >= rest.size()) return line.expected("':' after the condition");
      FS_TRY(reply.condition, formula(line, rest.substr(3, colon - 3)));
      rest = rest.substr(colon);
    }
    if (rest.empty() || rest[0] != ':') return line.expected("':' and a text");
    FS_TRY(reply.wording, wording(line, rest.substr(1)));
    out->push_back(std::move(reply));
    return {};
  }

  Status chat_statement(const SourceLine& line, std::string_view text) {
    const std::string_view word = line.word;
    const std::string_view rest = after_word(text);
    if (word == "user:" || word == "assistant:") {
      Turn turn;
      turn.user = word == "user:";
      if (!story_.turns.empty() && story_.turns.back().user == turn.user) return line.error("user and assistant take turns");
      FS_TRY(turn.wording, wording(line, rest));
      story_.turns.push_back(std::move(turn));
      return {};
    }
    if (word == "system:") {
      FS_TRY(story_.system, wording(line, rest));
      return {};
    }
    if (word == "thought:") {
      FS_TRY(story_.thought, wording(line, rest));
      return {};
    }
    if (word == "answer:") {
      FS_TRY(story_.chat_answer, wording(line, rest));
      return {};
    }
    if (word == "grade") {
      story_.chat_grader = std::string(rest);
      return {};
    }
    if (word == "modes") return modes(line, rest, &story_.chat_modes);
    if (word == "order" || word == "repeat") return {};
    return line.expected("user:, assistant:, system:, thought:, answer:, grade, modes, weight, pick, num, let, mix or need");
  }

  static bool shows(const Wording& wording, int variable) {
    return std::any_of(wording.slots().begin(), wording.slots().end(), [&](const Slot& slot) {
      return slot.kind == Slot::Kind::kNumber && !slot.computed && slot.ref.variable == variable;
    });
  }

  Status finish(Ask* ask) {
    const size_t index = static_cast<size_t>(ask - story_.asks.data());
    const SourceLine& line = *ask_lines_[index];
    if (questions_[index].empty()) return line.error(fmt::format("question '{}' has no wording", ask->name));
    FS_TRY(ask->question, wording(line, questions_[index]));
    const auto is_in = [](const std::vector<std::string>& names, const std::string& name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    for (const std::vector<std::string>* names : {&given_[index], &without_[index]}) {
      for (const std::string& name : *names) {
        const auto is_it = [&](const Fact& fact) { return fact.name == name; };
        if (name != "-" && std::none_of(story_.facts.begin(), story_.facts.end(), is_it)) return line.error(fmt::format("no fact '{}'", name));
      }
    }
    for (size_t i = 0; i < story_.facts.size(); ++i) {
      const Fact& fact = story_.facts[i];
      if (is_in(without_[index], fact.name)) continue;
      const bool give = !given_[index].empty() ? is_in(given_[index], fact.name) || fact.extra
                                               : !fact.spare && !(ask->same_as && shows(fact.wording, *ask->same_as));
      if (give) ask->facts.push_back(i);
    }
    if (!ask->find && ask->replies.empty()) return line.error(fmt::format("question '{}' needs an expression, answer: or say:", ask->name));
    return {};
  }

  void find_shown() {
    story_.shown.assign(story_.variables.size(), false);
    const auto mark = [&](const Wording& wording) {
      for (const Slot& slot : wording.slots()) {
        if (slot.kind == Slot::Kind::kNumber && !slot.computed && slot.ref.variable >= 0) story_.shown[static_cast<size_t>(slot.ref.variable)] = true;
      }
    };
    for (const Fact& fact : story_.facts) mark(fact.wording);
    for (const Ask& ask : story_.asks) mark(ask.question);
    for (const Turn& turn : story_.turns) {
      if (turn.user) mark(turn.wording);
    }
  }

  std::span<const SourceLine> lines_;
  const TableMap& tables_;
  const RuleMap& rules_;
  Story story_;
  RuleMap local_rules_;
  bool after_fact_ = false;  // the last statement was a fact among questions
  std::vector<const SourceLine*> ask_lines_;
  std::vector<std::string> questions_;
  std::vector<std::vector<std::string>> given_, without_;
};

}  // namespace

Result<Story> parse_story(std::span<const SourceLine> lines, const TableMap& tables, const RuleMap& rules) {
  return StoryParser(lines, tables, rules).parse();
}

}  // namespace firesteel
