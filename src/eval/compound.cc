#include "eval/compound.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "base/rng.h"
#include "eval/answer_text.h"

namespace firesteel {
namespace {

constexpr size_t kPartBytesMax = 300;

enum class Form : uint8_t { kLines, kInline, kBullets, kOrder, kMarks };
constexpr std::array<const char*, 5> kFormNames = {"lines", "inline", "bullets", "order", "marks"};

const std::string& text_of(const EvalItem& item) { return item.messages.front().text; }

// The whole number from 2 to 1000 that is a part's only answer, without a unit that would have to be carried on.
std::optional<int64_t> plain_value(const Grading& grading) {
  if (grading.kind != Grading::Kind::kNumber || grading.answers.size() != 1 || !grading.unit.empty()) return std::nullopt;
  const std::vector<TextNumber> numbers = find_numbers(grading.answers.front());
  if (numbers.size() != 1 || !numbers.front().value.is_whole()) return std::nullopt;
  const std::optional<int64_t> value = numbers.front().value.to_int();
  return value && *value >= 2 && *value <= 1000 ? value : std::nullopt;
}

struct Part {
  std::string text;
  Grading grading;
};

Part dependent_part(size_t on, int64_t value, Rng* rng) {
  const std::string reference = "the answer to question " + std::to_string(on + 1);
  const int64_t k = rng->between(2, 9);
  Part part;
  part.grading.kind = Grading::Kind::kNumber;
  switch (rng->below(3)) {
    case 0:
      part.text = "What is " + std::to_string(k) + " times " + reference + "?";
      part.grading.answers = {std::to_string(k * value)};
      break;
    case 1:
      part.text = "What is " + reference + " plus " + std::to_string(10 * k) + "?";
      part.grading.answers = {std::to_string(value + 10 * k)};
      break;
    default:
      part.text = "What is " + reference + " minus 1?";
      part.grading.answers = {std::to_string(value - 1)};
  }
  return part;
}

std::string ask(const std::vector<Part>& parts, Form form, Rng* rng) {
  static constexpr std::array<const char*, 5> kCounts = {"two", "three", "four", "five", "six"};
  static constexpr std::array<const char*, 3> kNext = {"Then, ", "Next, ", "Also, "};
  const std::string n = parts.size() >= 2 && parts.size() <= 6 ? kCounts[parts.size() - 2] : std::to_string(parts.size());
  const std::array<std::string, 4> lead_ins = {"Answer these questions.", "I have " + n + " questions:", "Please help me with my homework:", "Please answer the following."};
  const std::string lead_in = rng->below(4) == 0 ? std::string() : lead_ins[rng->below(lead_ins.size())];
  const bool in_lines = form == Form::kLines || form == Form::kBullets;
  std::string out = lead_in;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!out.empty()) out += in_lines ? "\n" : " ";
    switch (form) {
      case Form::kLines: out += std::to_string(i + 1) + ") "; break;
      case Form::kInline: out += "(" + std::to_string(i + 1) + ") "; break;
      case Form::kBullets: out += "- "; break;
      case Form::kOrder: out += i == 0 ? "First, " : i + 1 == parts.size() ? "Finally, " : kNext[rng->below(kNext.size())]; break;
      case Form::kMarks: break;
    }
    out += parts[i].text;
  }
  return out;
}

}  // namespace

bool can_be_part(const EvalItem& item) {
  if (item.messages.size() != 1 || item.messages.front().role != "user" || !item.images.empty()) return false;
  if (item.grading.kind != Grading::Kind::kNumber && item.grading.kind != Grading::Kind::kExact) return false;
  const std::string& text = text_of(item);
  return !item.grading.answers.empty() && !text.empty() && text.size() <= kPartBytesMax && text.find('\n') == std::string::npos && (text.back() == '?' || text.back() == '.');
}

Result<std::vector<EvalItem>> make_compound_items(std::vector<EvalItem> simple, int parts_min, int parts_max, size_t count, uint64_t seed) {
  if (simple.size() < count * static_cast<size_t>(parts_max)) {
    return Error{ErrorCode::kInvalidArgument, "compound items: expected " + std::to_string(count * static_cast<size_t>(parts_max)) + " problems, found " + std::to_string(simple.size())};
  }
  // Neighbours in a stream are of one kind; a compound question mixes them.
  Rng rng(seed);
  for (size_t i = simple.size(); i > 1; --i) std::swap(simple[i - 1], simple[rng.below(i)]);
  std::vector<EvalItem> out;
  size_t next = 0;
  while (out.size() < count) {
    const auto n_parts = static_cast<size_t>(rng.between(parts_min, parts_max));
    auto form = static_cast<Form>(rng.below(kFormNames.size()));
    const bool numbered = form == Form::kLines || form == Form::kInline;
    const bool wants_dependent = rng.below(3) == 0 && numbered;
    std::vector<Part> parts;
    for (size_t i = 0; i < n_parts; ++i) {
      parts.push_back({text_of(simple[next]), std::move(simple[next].grading)});
      ++next;
    }
    // Question after question is only clear where every one of them is a question.
    const bool all_ask = std::all_of(parts.begin(), parts.end(), [](const Part& part) { return std::count(part.text.begin(), part.text.end(), '?') == 1 && part.text.back() == '?'; });
    if (form == Form::kMarks && !all_ask) form = Form::kBullets;
    bool dependent = false;
    for (size_t i = 0; wants_dependent && !dependent && i + 1 < parts.size(); ++i) {
      const std::optional<int64_t> value = plain_value(parts[i].grading);
      if (!value) continue;
      parts.back() = dependent_part(i, *value, &rng);
      dependent = true;
    }
    EvalItem item;
    item.id = std::to_string(out.size());
    item.messages = {{"user", ask(parts, form, &rng), {}}};
    item.grading.kind = Grading::Kind::kParts;
    for (Part& part : parts) item.grading.parts.push_back(std::move(part.grading));
    item.slices = {{"form", kFormNames[static_cast<size_t>(form)]}, {"parts", std::to_string(n_parts)}, {"needs", dependent ? "yes" : "no"}};
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace firesteel
