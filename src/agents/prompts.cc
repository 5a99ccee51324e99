#include "agents/prompts.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/check.h"
#include "base/number_literals.h"
#include "base/utf8.h"
#include "tools/units.h"

namespace firesteel {
namespace {

// From here on a question brings so much with it that a part of it cannot stand alone.
constexpr size_t kContextBytes = 600;
constexpr size_t kInlineBytes = 60;

// Whether what stands before or behind a reference reckons with it: "[1] minus 3", "3 times [1]", "half of [1]".
bool reckons(std::string_view before, std::string_view behind) {
  const std::string left = lower_ascii(before.substr(before.size() - std::min<size_t>(before.size(), 16))), right = lower_ascii(behind.substr(0, std::min<size_t>(behind.size(), 16)));
  for (const std::string_view word : {" plus ", " minus ", " times ", " divided by ", " + ", " - ", " * ", " / ", " x "}) {
    if (left.ends_with(word) || right.starts_with(word)) return true;
  }
  for (const std::string_view word : {"half of ", "double ", "twice ", "a third of ", "a quarter of ", "square of ", "square root of ", "sum of ", "% of ", "percent of ", "add ", "subtract "}) {
    if (left.ends_with(word)) return true;
  }
  return false;
}

// "142 legs" is 142 where it is reckoned with; "3 mg" stays what it is, because its unit says how much that is.
std::string bare_number(const std::string& answer) {
  const std::vector<NumberLiteral> numbers = find_number_literals(answer);
  if (numbers.size() != 1 || numbers.front().offset > 1 || (numbers.front().offset == 1 && answer.front() != '-')) return answer;
  const size_t end = numbers.front().offset + numbers.front().length;
  std::string_view words = std::string_view(answer).substr(end);
  if (words.empty() || words.front() != ' ') return answer;
  words.remove_prefix(1);
  return find_unit(words) != nullptr || find_unit(lower_ascii(words)) != nullptr ? answer : answer.substr(0, end);
}

std::string known_lines(const std::vector<KnownAnswer>& known) {
  std::string out;
  for (const KnownAnswer& one : known) out += "[" + std::to_string(one.number) + "] " + one.question + ": " + one.answer + "\n";
  return out;
}

Json* last_user(Json* messages) {
  if (!messages->is_array()) return nullptr;
  for (size_t i = messages->as_array().size(); i-- > 0;) {
    Json& message = messages->as_array()[i];
    const Json* role = message.find("role");
    if (role != nullptr && role->is_string() && role->as_string() == "user") return &message;
  }
  return nullptr;
}

}  // namespace

std::string plan_prompt(std::string_view question) { return "Split into questions that can be answered alone.\n\n" + std::string(question); }

std::string part_prompt(std::string_view whole, std::string_view part, const std::vector<KnownAnswer>& known) {
  std::string out;
  if (whole.size() >= kContextBytes) out = std::string(whole) + "\n\nOnly this part is to be answered: ";
  // A short answer takes the place of its reference, so that the question stands alone; the others are told beside it.
  std::string question(part);
  std::vector<KnownAnswer> beside;
  for (const KnownAnswer& one : known) {
    const std::string reference = "[" + std::to_string(one.number) + "]";
    size_t at = question.find(reference);
    if (at == std::string::npos || one.answer.size() > kInlineBytes || one.answer.find_first_of("[\n") != std::string::npos) {
      beside.push_back(one);
      continue;
    }
    while (at != std::string::npos) {
      const std::string_view all = question;
      const std::string put = reckons(all.substr(0, at), all.substr(at + reference.size())) ? bare_number(one.answer) : one.answer;
      question.replace(at, reference.size(), put);
      at = question.find(reference, at + put.size());
    }
  }
  out += question;
  if (!beside.empty()) out += "\n\nKnown:\n" + known_lines(beside);
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

std::string merge_prompt(std::string_view question, const std::vector<KnownAnswer>& known) {
  return std::string(question) + "\n\nKnown:\n" + known_lines(known) + "\nAnswer the question from what is known, and cite it as [1], [2].";
}

std::string distil_prompt(std::string_view question, const std::vector<std::string>& drafts) {
  std::string out = "Drafts of an answer to: " + std::string(question) + "\n\n";
  for (size_t i = 0; i < drafts.size(); ++i) out += "[" + std::to_string(i + 1) + "] " + drafts[i] + "\n\n";
  return out + "Write what they agree on and where they differ.";
}

std::string refine_prompt(std::string_view question, std::string_view notes) {
  return std::string(question) + "\n\nNotes on earlier drafts:\n" + std::string(notes) + "\n\nWrite the answer.";
}

std::string question_of(const Json& messages) {
  Json copy = messages;
  const Json* message = last_user(&copy);
  const Json* content = message == nullptr ? nullptr : message->find("content");
  if (content == nullptr) return {};
  if (content->is_string()) return content->as_string();
  std::string out;
  if (content->is_array()) {
    for (const Json& part : content->as_array()) {
      const Json* text = part.find("text");
      if (text != nullptr && text->is_string()) out += (out.empty() ? "" : "\n") + text->as_string();
    }
  }
  return out;
}

GenerateRequest with_thinking(const GenerateRequest& base, bool thinking, const ModelInfo& info) {
  GenerateRequest out = base;
  if (!thinking) out.stop.thinking_budget = 0;
  auto* chat = std::get_if<ChatPrompt>(&out.prompt);
  if (info.can_think && chat != nullptr) {
    if (!chat->template_variables.is_object()) chat->template_variables = Json::Object{};
    chat->template_variables.set("enable_thinking", thinking);
  }
  return out;
}

GenerateRequest with_question(const GenerateRequest& base, std::string_view question, bool thinking, const ModelInfo& info) {
  GenerateRequest out = with_thinking(base, thinking, info);
  out.constraint.reset();
  Json* message = last_user(&std::get<ChatPrompt>(out.prompt).messages);
  CHECK(message != nullptr);
  Json* content = nullptr;
  for (auto& [name, value] : message->as_object()) {
    if (name == "content") content = &value;
  }
  if (content == nullptr || !content->is_array()) {
    message->set("content", std::string(question));
    return out;
  }
  Json::Array parts;
  for (const Json& part : content->as_array()) {
    if (part.find("text") == nullptr) parts.push_back(part);
  }
  parts.push_back(Json::Object{{"type", "text"}, {"text", std::string(question)}});
  *content = std::move(parts);
  return out;
}

std::string cut_text(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  std::string out(text.substr(0, bytes_max));
  out.resize(complete_utf8_prefix(out));
  return out + "...";
}

}  // namespace firesteel
