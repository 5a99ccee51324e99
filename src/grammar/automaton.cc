#include "grammar/automaton.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

namespace firesteel {
namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9E3779B97F4A7C15 + (hash << 6) + (hash >> 2);
  return hash * 0xFF51AFD7ED558CCD;
}

}  // namespace

Automaton::Automaton(Nfa nfa, Limits limits) : nfa_(std::move(nfa)), limits_(limits) {
  is_pure_end_.resize(nfa_.nodes.size());
  for (size_t i = 0; i < nfa_.nodes.size(); ++i) is_pure_end_[i] = nfa_.nodes[i].accepts && nfa_.nodes[i].edges.empty();
  frames_.push_back({0, 0, 0});  // kNoStack
  states_.emplace_back();        // kDeadState
  rows_.assign(256, kDeadState);
  State first;
  close({{nfa_.rule_starts[nfa_.root], kNoStack}}, &first);
  start_ = intern(std::move(first));
}

uint32_t Automaton::push(NfaNode back, uint32_t parent) {
  const uint64_t key = (uint64_t{back} << 32) | parent;
  const auto [it, is_new] = frame_index_.try_emplace(key, static_cast<uint32_t>(frames_.size()));
  if (is_new) frames_.push_back({back, parent, frames_[parent].depth + 1});
  return it->second;
}

// Follows everything that reads no byte: empty edges, calls, returns.
void Automaton::close(std::vector<Position> todo, State* out) {
  std::set<Position> seen(todo.begin(), todo.end());
  const auto visit = [&](Position p) {
    if (seen.size() < limits_.positions && seen.insert(p).second) todo.push_back(p);
  };
  while (!todo.empty()) {
    const Position at = todo.back();
    todo.pop_back();
    const Nfa::Node& node = nfa_.nodes[at.node];
    bool reads = false;
    for (const NfaEdge& edge : node.edges) {
      switch (edge.kind) {
        case NfaEdge::Kind::kByte: reads = true; break;
        case NfaEdge::Kind::kEmpty: visit({edge.to, at.stack}); break;
        case NfaEdge::Kind::kCall:
          if (is_pure_end_[edge.to]) {  // a tail call returns to our caller: right recursion needs no stack
            visit({nfa_.rule_starts[edge.rule], at.stack});
          } else if (frames_[at.stack].depth < limits_.stack_depth) {
            visit({nfa_.rule_starts[edge.rule], push(edge.to, at.stack)});
          }
          break;
      }
    }
    if (reads) out->positions.push_back(at);
    if (node.accepts) {
      if (at.stack == kNoStack) {
        out->accepts = true;
      } else {
        visit({frames_[at.stack].back, frames_[at.stack].parent});
      }
    }
  }
  std::sort(out->positions.begin(), out->positions.end());
}

GrammarState Automaton::intern(State state) {
  if (state.positions.empty() && !state.accepts) return kDeadState;
  uint64_t hash = state.accepts ? 1 : 0;
  for (const Position& p : state.positions) hash = mix(hash, (uint64_t{p.node} << 32) | p.stack);
  const auto [first, last] = state_index_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const State& known = states_[it->second];
    if (known.accepts == state.accepts && known.positions == state.positions) return it->second;
  }
  if (states_.size() >= limits_.states) {
    exhausted_ = true;
    return kDeadState;
  }
  const GrammarState id = static_cast<GrammarState>(states_.size());
  states_.push_back(std::move(state));
  rows_.resize(rows_.size() + 256, kUnknown);
  state_index_.emplace(hash, id);
  return id;
}

GrammarState Automaton::compute(GrammarState state, uint8_t byte) {
  std::vector<Position> next;
  for (const Position& at : states_[state].positions) {
    for (const NfaEdge& edge : nfa_.nodes[at.node].edges) {
      if (edge.kind == NfaEdge::Kind::kByte && edge.low <= byte && byte <= edge.high) next.push_back({edge.to, at.stack});
    }
  }
  GrammarState to = kDeadState;
  if (!next.empty()) {
    State closed;
    close(std::move(next), &closed);
    to = intern(std::move(closed));
  }
  rows_[size_t{state} * 256 + byte] = to;
  return to;
}

GrammarState Automaton::run(GrammarState state, std::string_view text) {
  for (const char c : text) state = step(state, static_cast<uint8_t>(c));
  return state;
}

std::string Automaton::forced(GrammarState state, size_t max_bytes) {
  std::string out;
  while (out.size() < max_bytes && !accepts(state)) {
    int only = -1;
    GrammarState to = kDeadState;
    for (int byte = 0; byte < 256; ++byte) {
      const GrammarState next = step(state, static_cast<uint8_t>(byte));
      if (next == kDeadState) continue;
      if (only >= 0) return out;
      only = byte;
      to = next;
    }
    if (only < 0) return out;
    out.push_back(static_cast<char>(static_cast<uint8_t>(only)));
    state = to;
  }
  return out;
}

}  // namespace firesteel
