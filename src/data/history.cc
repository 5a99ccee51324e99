#include "data/history.h"

#include <charconv>
#include <string>
#include <string_view>

#include "base/number_literals.h"

namespace firesteel {
namespace {

constexpr size_t kBytesMax = 400;  // of question and answer together

// What a reader sees of the target: no thinking, numbers for their markers. Empty where a marker names no number.
std::string shown_answer(const Sample& sample) {
  std::vector<std::string> numbers;
  for (const SampleMessage& message : sample.messages) {
    if (message.role != "user" && message.role != "tool") continue;
    for (const NumberLiteral& literal : find_number_literals(message.text)) numbers.emplace_back(literal.value);
  }
  std::string_view target = sample.target;
  constexpr std::string_view kEnd = "</think>\n\n";
  if (const size_t end = target.find(kEnd); end != std::string_view::npos) target.remove_prefix(end + kEnd.size());
  std::string out;
  while (!target.empty()) {
    const size_t begin = target.find("<|n");
    const size_t end = begin == std::string_view::npos ? begin : target.find("|>", begin);
    if (end == std::string_view::npos) break;
    size_t index = 0;
    std::from_chars(target.data() + begin + 3, target.data() + end, index);
    if (index >= numbers.size()) return {};
    out.append(target.substr(0, begin)).append(numbers[index]);
    target.remove_prefix(end + 2);
  }
  return out.append(target);
}

}  // namespace

bool add_history(const Sample& earlier, Sample* sample) {
  if (!earlier.images.empty() || earlier.messages.empty() || earlier.messages.front().role != "user") return false;
  for (size_t i = 1; i < earlier.messages.size(); ++i) {
    if (earlier.messages[i].role == "user" || earlier.messages[i].role == "system") return false;
  }
  if (earlier.target.find("<tool_call>") != std::string::npos) return false;
  std::string answer = shown_answer(earlier);
  const std::string& question = earlier.messages.front().text;
  if (answer.empty() || question.size() + answer.size() > kBytesMax) return false;
  const bool has_system = !sample->messages.empty() && sample->messages.front().role == "system";
  const auto at = sample->messages.begin() + (has_system ? 1 : 0);
  sample->messages.insert(at, {SampleMessage{"user", question}, SampleMessage{"assistant", std::move(answer)}});
  return true;
}

}  // namespace firesteel
