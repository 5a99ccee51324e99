#include "data/caller_system.h"

#include <array>
#include <string_view>

namespace firesteel {
namespace {

// Nothing here asks for a language, a length or a form that the answers do not have.
constexpr std::array<std::string_view, 20> kTexts = {
    "You are a helpful assistant.",
    "You are a helpful AI assistant.",
    "You are a helpful, honest assistant.",
    "You are an assistant.",
    "You are a friendly tutor.",
    "You are a careful assistant for pupils.",
    "You are Kindling.",
    "Be helpful.",
    "Be correct.",
    "Answer the user's questions.",
    "Answer the question.",
    "Answer as well as you can.",
    "Please answer the following question.",
    "Solve the problem.",
    "You help people with their homework.",
    "You are part of a web page of a school.",
    "The user is a customer of our shop.",
    "Help the user.",
    "Today you work with Firesteel.",
    "You are a helpful assistant. Answer the user.",
};

}  // namespace

void add_caller_system(Sample* sample, Rng* rng) {
  if (rng->below(20) != 0) return;
  if (!sample->messages.empty() && sample->messages.front().role == "system") return;
  sample->messages.insert(sample->messages.begin(), {"system", std::string(kTexts[rng->below(kTexts.size())])});
}

}  // namespace firesteel
