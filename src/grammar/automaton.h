// A grammar as a deterministic machine over bytes, built as it is used. A state is a set of positions with their call stacks;
// stacks and sets are interned, so equal situations are one state, and a byte costs one table look-up once it was seen.
//
// Not thread-safe: owned by the engine thread, shared by all sequences with the same grammar.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "grammar/nfa.h"

namespace firesteel {

using GrammarState = uint32_t;
inline constexpr GrammarState kDeadState = 0;  // no continuation

// Characters that patterns mostly name together are of one kind: small letters, capitals, digits, control characters but three, all beyond ASCII; each
// other one is a kind of its own. byte_kind: of a character by its first byte.
inline constexpr uint8_t kWideKind = 43;
inline constexpr size_t kCharKinds = 44;
constexpr uint8_t byte_kind(uint8_t byte) {
  if (byte >= 'a' && byte <= 'z') return 0;
  if (byte >= 'A' && byte <= 'Z') return 1;
  if (byte >= '0' && byte <= '9') return 2;
  if (byte == '\t' || byte == '\n') return byte == '\t' ? 3 : 4;
  if (byte == '\r') return 5;
  if (byte < 0x20 || byte == 0x7f) return 6;
  if (byte >= 0x80) return kWideKind;
  const int after = byte < '0' ? 7 - ' ' : byte < 'A' ? 23 - ':' : byte < 'a' ? 30 - '[' : 36 - '{';  // 7 to 39
  return static_cast<uint8_t>(byte + after);
}

class Automaton {
 public:
  struct Limits {
    uint32_t states = 8'192;          // tables of up to 1 KiB each
    uint32_t stack_depth = 64;        // nesting of the text (arrays in arrays ...): deeper texts are not in the language
    uint32_t positions = 16'384;      // met while one state is made
    uint32_t all_positions = 1 << 19; // of all states
    uint32_t frames = 1 << 18;        // distinct stacks
    uint32_t mask_work = 1 << 17;     // positions of all states that one mask may meet: some 100 ms at the very worst
  };
  explicit Automaton(const Nfa& nfa) : Automaton(nfa, Limits{}) {}
  Automaton(const Nfa& nfa, Limits limits);

  GrammarState start() const { return start_; }
  // kDeadState when the text is not a prefix of any text of the language.
  GrammarState step(GrammarState state, uint8_t byte) {
    const size_t cell = size_t{state} * n_classes_ + class_of_[byte];
    const GrammarState known = rows_[cell];
    return known != kUnknown ? known : compute(state, byte);
  }
  GrammarState run(GrammarState state, std::string_view text);
  bool accepts(GrammarState state) const { return states_[state].accepts; }
  // Positions that were met when the state was made: what a step from it may cost.
  uint32_t cost(GrammarState state) const { return states_[state].cost; }
  // Whether any byte may follow.
  bool goes_on(GrammarState state);
  // The one state to which every plain character of text leads (whole UTF-8 characters but control characters, '"' and '\\'), kDeadState when
  // none may follow, or kMixed. *cost grows by what the states between were worth. Remembered, so a state of a string costs once.
  static constexpr GrammarState kMixed = UINT32_MAX - 1;
  GrammarState after_text(GrammarState state, uint64_t* cost);
  // The one state to which every character of a kind leads, kDeadState when none may follow, or kMixed. As after_text otherwise.
  GrammarState after_kind(GrammarState state, uint8_t kind, uint64_t* cost);
  // A state with the same ways on as this one for n_bytes bytes, and the same one for all states that differ only in how often something may still
  // be repeated, where that is more often than matters so soon. Meant for a few values of n_bytes. exhausted() when a limit was met.
  GrammarState near(GrammarState state, uint32_t n_bytes);
  // Bytes that must follow, whatever the model says: the longest run in which each state has exactly one way on and may not end.
  std::string forced(GrammarState state, size_t max_bytes);

  const Limits& limits() const { return limits_; }
  size_t n_states() const { return states_.size(); }
  // True when a limit was met since the last restart: states made from then on may be dead that should not be, so nothing that this
  // automaton says may be relied on before restart().
  bool exhausted() const { return exhausted_; }
  // Forgets all states but this one (and the start); returns its new id. What a text may go on with then depends on that text alone,
  // whatever others had filled the tables with: limits count for each text by itself.
  GrammarState restart(GrammarState keep);

 private:
  static constexpr GrammarState kUnknown = UINT32_MAX;
  static constexpr uint32_t kNoStack = 0;
  struct Frame {
    NfaNode back;
    uint32_t parent;
    uint32_t depth;
  };
  struct Position {
    NfaNode node;
    uint32_t stack;
    auto operator<=>(const Position&) const = default;
  };
  struct State {
    std::vector<Position> positions;  // sorted; nodes with byte edges only
    bool accepts = false;
    uint32_t cost = 0;
  };

  // Positions met while closing a state: mostly a few, which are found by looking at each.
  class Seen {
   public:
    void clear();
    bool insert(Position p);  // false when it is there already
    size_t size() const { return n_; }

   private:
    static constexpr size_t kFew = 16;
    void grow();
    void put(uint64_t key);
    std::array<uint64_t, kFew> few_{};
    std::vector<uint64_t> slots_;  // all, once there are more than a few; 0: free
    size_t n_ = 0;
  };

  GrammarState compute(GrammarState state, uint8_t byte);
  GrammarState find_after_text(GrammarState state, uint64_t* cost);
  GrammarState find_after_kind(GrammarState state, uint8_t kind, uint64_t* cost);
  bool wide_leads_to(GrammarState state, GrammarState to, uint64_t* cost);
  unsigned class_end(unsigned byte) const;
  bool leads_to(GrammarState from, unsigned low, unsigned high, int n_more, GrammarState to, uint64_t* cost);
  void close(std::vector<Position>* todo, State* out);
  void begin();
  GrammarState intern(State state);
  uint32_t push(NfaNode back, uint32_t parent);

  struct Node {
    uint32_t first_edge = 0, n_edges = 0;
    bool accepts = false;
    bool is_pure_end = false;  // only ends its rule: a call before it needs no frame
    uint32_t run = kNoRun;     // the innermost
  };
  static constexpr uint32_t kNoRun = UINT32_MAX;
  struct Run {
    NfaRun run;
    uint32_t outer = kNoRun;
  };
  std::span<const NfaEdge> edges(NfaNode node) const { return {edges_.data() + nodes_[node].first_edge, nodes_[node].n_edges}; }
  struct Near {
    uint32_t n_bytes;
    std::vector<GrammarState> states;  // per state, as far as asked
    std::vector<uint32_t> frames;      // the same; UINT32_MAX: not yet
  };
  NfaNode near_node(NfaNode node, uint32_t n_bytes) const;
  uint32_t near_stack(uint32_t stack, Near* near);

  Limits limits_;
  // The network, node after node in one place: states of long texts are made from nodes that were never looked at before.
  std::vector<Node> nodes_;
  std::vector<NfaEdge> edges_;
  std::vector<NfaNode> rule_starts_;
  NfaNode root_ = 0;
  std::vector<Run> runs_;
  std::vector<Frame> frames_;
  std::vector<Near> nears_;
  std::unordered_map<uint64_t, uint32_t> frame_index_;
  // Bytes that no edge tells apart are one class: a handful for most grammars, so that few transitions are ever computed.
  std::array<uint8_t, 256> class_of_{};
  std::vector<uint8_t> class_first_;  // the first byte of each
  std::vector<uint8_t> plain_bytes_;  // for after_text: one byte of each class that has printable ASCII but '"' and '\\'
  size_t n_classes_ = 0;
  std::vector<State> states_;
  std::vector<GrammarState> rows_;
  std::unordered_multimap<uint64_t, GrammarState> state_index_;
  std::unordered_map<uint64_t, GrammarState> closed_;  // the state of one position: of all bytes that lead there
  struct AfterText {
    GrammarState to = kUnknown;
    uint32_t cost = 0;
  };
  std::vector<AfterText> after_text_;  // per state, as far as asked
  std::vector<GrammarState> after_kind_;  // kCharKinds per state, the same; what follows costs in after_wide_
  std::vector<uint32_t> after_wide_;
  std::array<std::vector<uint8_t>, kCharKinds> kind_bytes_;  // of each kind one byte of each class
  // Work space of compute.
  Seen seen_;
  std::vector<Position> todo_;
  size_t n_positions_ = 0;
  GrammarState start_ = kDeadState;
  bool exhausted_ = false;
};

}  // namespace firesteel
