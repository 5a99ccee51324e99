#include "api/agents.h"

namespace firesteel {

const char* answer_mode_name(AnswerMode mode) {
  switch (mode) {
    case AnswerMode::kInstant: return "instant";
    case AnswerMode::kThinking: return "thinking";
    case AnswerMode::kContemplating: return "contemplating";
    case AnswerMode::kAuto: return "auto";
  }
  return "?";
}

std::optional<AnswerMode> find_answer_mode(std::string_view name) {
  for (const AnswerMode mode : {AnswerMode::kInstant, AnswerMode::kThinking, AnswerMode::kContemplating, AnswerMode::kAuto}) {
    if (name == answer_mode_name(mode)) return mode;
  }
  return std::nullopt;
}

const char* agent_strategy_name(AgentStrategy strategy) {
  switch (strategy) {
    case AgentStrategy::kAuto: return "auto";
    case AgentStrategy::kSplit: return "split";
    case AgentStrategy::kVote: return "vote";
    case AgentStrategy::kRefine: return "refine";
  }
  return "?";
}

std::optional<AgentStrategy> find_agent_strategy(std::string_view name) {
  for (const AgentStrategy strategy : {AgentStrategy::kAuto, AgentStrategy::kSplit, AgentStrategy::kVote, AgentStrategy::kRefine}) {
    if (name == agent_strategy_name(strategy)) return strategy;
  }
  return std::nullopt;
}

const char* vote_by_name(VoteBy vote_by) {
  switch (vote_by) {
    case VoteBy::kCount: return "count";
    case VoteBy::kConfidence: return "confidence";
  }
  return "?";
}

std::optional<VoteBy> find_vote_by(std::string_view name) {
  for (const VoteBy vote_by : {VoteBy::kCount, VoteBy::kConfidence}) {
    if (name == vote_by_name(vote_by)) return vote_by;
  }
  return std::nullopt;
}

const char* confirm_word_name(ConfirmWord word) {
  switch (word) {
    case ConfirmWord::kAllow: return "allow";
    case ConfirmWord::kDeny: return "deny";
    case ConfirmWord::kAlways: return "always";
  }
  return "?";
}

std::optional<ConfirmWord> find_confirm_word(std::string_view name) {
  for (const ConfirmWord word : {ConfirmWord::kAllow, ConfirmWord::kDeny, ConfirmWord::kAlways}) {
    if (name == confirm_word_name(word)) return word;
  }
  return std::nullopt;
}

}  // namespace firesteel
