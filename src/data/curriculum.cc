#include "data/curriculum.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "data/curriculum_parser.h"
#include "data/source_lines.h"

namespace firesteel {
namespace {

bool ends_with_any(std::string_view text, std::initializer_list<std::string_view> ends) {
  for (const std::string_view end : ends) {
    if (text.ends_with(end)) return true;
  }
  return false;
}

Cell make_cell(std::string_view text, bool is_noun) {
  Cell cell;
  if (!is_noun) {
    const std::optional<Decimal> number = Decimal::parse(text);
    if (number && number->to_string() == text) {
      cell.value = *number;
    } else {
      cell.value = std::string(text);
    }
    return cell;
  }
  const size_t slash = text.find('/');
  cell.one = std::string(trimmed(text.substr(0, slash)));
  cell.many = slash == std::string_view::npos ? plural_of(cell.one) : std::string(trimmed(text.substr(slash + 1)));
  cell.value = cell.many;
  return cell;
}

struct NamedGender {
  std::string_view word;
  Gender gender;
};
constexpr NamedGender kGenders[] = {{"m", Gender::kHe}, {"f", Gender::kShe}, {"p", Gender::kThey},
                                    {"1", Gender::kI},  {"1p", Gender::kWe}, {"2", Gender::kYou}};

}  // namespace

std::string plural_of(std::string_view noun) {
  std::string many(noun);
  const auto vowel_before_last = [&] {
    return many.size() >= 2 && std::string_view("aeiou").find(many[many.size() - 2]) != std::string_view::npos;
  };
  if (many.ends_with("fe")) {
    many.replace(many.size() - 2, 2, "ves");
  } else if (many.ends_with('y') && !vowel_before_last()) {
    many.replace(many.size() - 1, 1, "ies");
  } else if (ends_with_any(many, {"s", "x", "z", "ch", "sh"})) {
    many += "es";
  } else if (many.ends_with("man")) {
    many.replace(many.size() - 3, 3, "men");
  } else {
    many += 's';
  }
  return many;
}

Result<Table> parse_list(const SourceLine& line, std::string_view keyword, std::string_view rest) {
  const size_t equals = rest.find('=');
  if (equals == std::string_view::npos) return line.expected(fmt::format("{} NAME = ENTRY | ENTRY ...", keyword));
  Table table;
  table.name = std::string(trimmed(rest.substr(0, equals)));
  if (!is_identifier(table.name)) return line.expected("a name before '='");
  const bool is_noun = keyword == "noun";
  table.is_people = keyword == "people";
  table.columns = {"name"};
  table.is_noun = {is_noun};
  for (std::string_view entry : split_outside(rest.substr(equals + 1), '|')) {
    if (entry.empty()) return line.expected("an entry between '|'");
    Gender gender = Gender::kNone;
    if (table.is_people) {
      const size_t blank = entry.rfind(' ');
      const std::string_view code = blank == std::string_view::npos ? std::string_view{} : entry.substr(blank + 1);
      for (const NamedGender& known : kGenders) {
        if (known.word == code) gender = known.gender;
      }
      if (gender == Gender::kNone) return line.expected(fmt::format("m, f, p, 1, 1p or 2 after '{}'", entry));
      entry = trimmed(entry.substr(0, blank));
    }
    table.rows.push_back({make_cell(entry, is_noun)});
    table.genders.push_back(gender);
  }
  return table;
}

Result<Table> parse_table(std::span<const SourceLine> lines) {
  const SourceLine& head = lines[0];
  const size_t equals = head.rest.find('=');
  if (equals == std::string_view::npos) return head.expected("table NAME = COLUMN | COLUMN ...");
  Table table;
  table.name = std::string(trimmed(head.rest.substr(0, equals)));
  if (!is_identifier(table.name)) return head.expected("a name before '='");
  for (std::string_view column : split_outside(head.rest.substr(equals + 1), '|')) {
    const bool is_noun = column.ends_with('/');
    if (is_noun) column.remove_suffix(1);
    if (!is_identifier(column)) return head.expected("names of columns, separated by '|'");
    table.columns.emplace_back(column);
    table.is_noun.push_back(is_noun);
  }
  for (const SourceLine& line : lines.subspan(1)) {
    const std::vector<std::string_view> cells = split_outside(line.text, '|');
    if (cells.size() != table.columns.size()) return line.expected(fmt::format("{} cells", table.columns.size()));
    std::vector<Cell> row;
    for (size_t i = 0; i < cells.size(); ++i) row.push_back(make_cell(cells[i], table.is_noun[i]));
    table.rows.push_back(std::move(row));
    table.genders.push_back(Gender::kNone);
  }
  if (table.rows.empty()) return head.error(fmt::format("table {} has no rows", table.name));
  return table;
}

class CurriculumParser {
 public:
  Result<std::unique_ptr<const Curricula>> parse(std::span<const CurriculumFile> files) {
    for (const CurriculumFile& file : files) FS_TRY_VOID(read_file(file));
    std::set<std::string> kinds;
    for (const std::vector<SourceLine>& block : blocks_) {
      FS_TRY(Story story, parse_story(block, tables_, rules_));
      if (!kinds.insert(story.kind).second) return block[0].error(fmt::format("kind '{}' is defined twice", story.kind));
      result_->stories_.push_back(std::make_unique<const Story>(std::move(story)));
    }
    return std::unique_ptr<const Curricula>(std::move(result_));
  }

 private:
  Status read_file(const CurriculumFile& file) {
    const std::vector<SourceLine> lines = source_lines(file.name, file.text);
    for (size_t i = 0; i < lines.size();) {
      const SourceLine& head = lines[i];
      size_t end = i + 1;
      while (end < lines.size() && (lines[end].indented || lines[end].word == "|")) ++end;
      const std::span<const SourceLine> block = std::span(lines).subspan(i, end - i);
      i = end;
      if (head.indented) return head.expected("list, noun, people, table, rule, story or chat at the start of a line");
      if (head.word == "story" || head.word == "chat") {
        blocks_.emplace_back(block.begin(), block.end());
      } else if (head.word == "table") {
        FS_TRY(Table table, parse_table(block));
        FS_TRY_VOID(add_table(head, std::move(table)));
      } else {
        std::string rest(head.rest);
        for (const SourceLine& line : block.subspan(1)) {
          if (line.text[0] != '|') return line.expected("'|' and more entries");
          rest += ' ';
          rest += line.text;
        }
        FS_TRY_VOID(read_list(head, rest));
      }
    }
    return {};
  }

  Status read_list(const SourceLine& head, const std::string& rest) {
    if (head.word == "rule") {
      const size_t equals = rest.find('=');
      const std::string name(trimmed(std::string_view(rest).substr(0, equals)));
      if (equals == std::string::npos || !is_identifier(name)) return head.expected("rule NAME = TEXT | TEXT ...");
      if (!rules_.emplace(name, trimmed(std::string_view(rest).substr(equals + 1))).second) {
        return head.error(fmt::format("rule '{}' is defined twice", name));
      }
      return {};
    }
    if (head.word != "list" && head.word != "noun" && head.word != "people") {
      return head.expected("list, noun, people, table, rule, story or chat");
    }
    FS_TRY(Table table, parse_list(head, head.word, rest));
    return add_table(head, std::move(table));
  }

  Status add_table(const SourceLine& head, Table table) {
    auto owned = std::make_unique<const Table>(std::move(table));
    if (!tables_.emplace(owned->name, owned.get()).second) return head.error(fmt::format("'{}' is defined twice", owned->name));
    result_->tables_.push_back(std::move(owned));
    return {};
  }

  std::unique_ptr<Curricula> result_{new Curricula};
  TableMap tables_;
  RuleMap rules_;
  std::vector<std::vector<SourceLine>> blocks_;
};

Result<std::unique_ptr<const Curricula>> Curricula::parse(std::span<const CurriculumFile> files) { return CurriculumParser().parse(files); }

}  // namespace firesteel
