#include "grammar/automaton.h"

#include <algorithm>
#include <string>
#include <utility>

namespace firesteel {
namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9E3779B97F4A7C15 + (hash << 6) + (hash >> 2);
  return hash * 0xFF51AFD7ED558CCD;
}

// The node is in the upper half of a key: a product brings it down only into its own upper bits.
size_t slot_of(uint64_t key, size_t n_slots) { return (mix(0, key) >> 32) & (n_slots - 1); }

}  // namespace

Automaton::Automaton(const Nfa& nfa, Limits limits) : limits_(limits), rule_starts_(nfa.rule_starts), root_(nfa.rule_starts[nfa.root]) {
  std::array<bool, 257> begins{};  // a class begins here
  begins[0] = true;
  size_t n_edges = 0;
  for (const Nfa::Node& node : nfa.nodes) n_edges += node.edges.size();
  edges_.reserve(n_edges);
  nodes_.reserve(nfa.nodes.size());
  for (const Nfa::Node& node : nfa.nodes) {
    nodes_.push_back({static_cast<uint32_t>(edges_.size()), static_cast<uint32_t>(node.edges.size()), node.accepts, node.accepts && node.edges.empty(), kNoRun});
    edges_.insert(edges_.end(), node.edges.begin(), node.edges.end());
    for (const NfaEdge& edge : node.edges) {
      if (edge.kind == NfaEdge::Kind::kByte) begins[edge.low] = begins[size_t{edge.high} + 1] = true;
    }
  }
  for (const NfaRun& run : nfa.runs) {
    const auto index = static_cast<uint32_t>(runs_.size());
    runs_.push_back({run, kNoRun});
    for (NfaNode n = run.first; n < run.first + run.size * run.n_copies; ++n) {
      if (nodes_[n].run == kNoRun) {
        nodes_[n].run = index;
        continue;
      }
      // Those inside came before; the outermost of them has no outer one yet.
      uint32_t inner = nodes_[n].run;
      while (runs_[inner].outer != kNoRun && runs_[inner].outer != index) inner = runs_[inner].outer;
      if (inner != index) runs_[inner].outer = index;
    }
  }
  for (size_t byte = 0; byte < 256; ++byte) {
    if (begins[byte]) class_first_.push_back(static_cast<uint8_t>(byte));
    class_of_[byte] = static_cast<uint8_t>(class_first_.size() - 1);
  }
  n_classes_ = class_first_.size();
  for (unsigned byte = 0x20; byte < 0x80; ++byte) {
    if (byte == '"' || byte == '\\') continue;
    if (plain_bytes_.empty() || class_of_[plain_bytes_.back()] != class_of_[byte]) plain_bytes_.push_back(static_cast<uint8_t>(byte));
  }
  for (unsigned byte = 0; byte < 0x80; ++byte) {
    std::vector<uint8_t>& bytes = kind_bytes_[byte_kind(static_cast<uint8_t>(byte))];
    if (std::none_of(bytes.begin(), bytes.end(), [&](uint8_t other) { return class_of_[other] == class_of_[byte]; })) bytes.push_back(static_cast<uint8_t>(byte));
  }
  begin();
}

void Automaton::begin() {
  frames_.assign(1, {0, 0, 0});  // kNoStack
  frame_index_.clear();
  states_.clear();
  states_.emplace_back();        // kDeadState
  rows_.assign(n_classes_, kDeadState);
  state_index_.clear();
  after_text_.clear();
  closed_.clear();
  after_kind_.clear();
  after_wide_.clear();
  nears_.clear();
  n_positions_ = 0;
  exhausted_ = false;
  State first;
  todo_.assign(1, {root_, kNoStack});
  close(&todo_, &first);
  start_ = intern(std::move(first));
}

GrammarState Automaton::after_text(GrammarState state, uint64_t* cost) {
  if (state >= after_text_.size()) after_text_.resize(states_.size());
  if (after_text_[state].to == kUnknown) {
    uint64_t found_cost = 0;
    const GrammarState to = find_after_text(state, &found_cost);
    if (exhausted_) return kMixed;
    after_text_[state] = {to, static_cast<uint32_t>(std::min<uint64_t>(found_cost, UINT32_MAX))};
  }
  *cost += after_text_[state].cost;
  return after_text_[state].to;
}

GrammarState Automaton::find_after_text(GrammarState state, uint64_t* cost) {
  const GrammarState to = step(state, ' ');
  for (const uint8_t byte : plain_bytes_) {
    if (step(state, byte) != to) return kMixed;
  }
  return wide_leads_to(state, to, cost) ? to : kMixed;
}

// Whether each character beyond ASCII leads to `to`, or none may follow if that is kDeadState.
bool Automaton::wide_leads_to(GrammarState state, GrammarState to, uint64_t* cost) {
  // First bytes of longer characters and what may follow them: RFC 3629, section 4.
  struct Lead {
    unsigned first, last, low, high;
    int n_more;
  };
  static constexpr Lead kLeads[] = {{0xc2, 0xdf, 0x80, 0xbf, 0}, {0xe0, 0xe0, 0xa0, 0xbf, 1}, {0xe1, 0xec, 0x80, 0xbf, 1}, {0xed, 0xed, 0x80, 0x9f, 1},
                                    {0xee, 0xef, 0x80, 0xbf, 1}, {0xf0, 0xf0, 0x90, 0xbf, 2}, {0xf1, 0xf3, 0x80, 0xbf, 2}, {0xf4, 0xf4, 0x80, 0x8f, 2}};
  for (const Lead& lead : kLeads) {
    GrammarState known = kUnknown;
    for (unsigned byte = lead.first; byte <= lead.last; byte = class_end(byte)) {
      const GrammarState inside = step(state, static_cast<uint8_t>(byte));
      if (inside == known) continue;
      if (to == kDeadState ? inside != kDeadState : inside == kDeadState || !leads_to(inside, lead.low, lead.high, lead.n_more, to, cost)) return false;
      known = inside;
    }
  }
  return true;
}

GrammarState Automaton::after_kind(GrammarState state, uint8_t kind, uint64_t* cost) {
  if ((size_t{state} + 1) * kCharKinds > after_kind_.size()) {
    after_kind_.resize(states_.size() * kCharKinds, kUnknown);
    after_wide_.resize(states_.size());
  }
  const size_t cell = size_t{state} * kCharKinds + kind;
  if (after_kind_[cell] == kUnknown) {
    uint64_t found_cost = 0;
    const GrammarState to = find_after_kind(state, kind, &found_cost);
    if (exhausted_) return kMixed;
    after_kind_[cell] = to;
    if (kind == kWideKind) after_wide_[state] = static_cast<uint32_t>(std::min<uint64_t>(found_cost, UINT32_MAX));
  }
  if (kind == kWideKind) *cost += after_wide_[state];
  return after_kind_[cell];
}

GrammarState Automaton::find_after_kind(GrammarState state, uint8_t kind, uint64_t* cost) {
  if (kind == kWideKind) {
    const GrammarState inside = step(state, 0xc2);
    const GrammarState to = inside == kDeadState ? kDeadState : step(inside, 0x80);
    if (inside != kDeadState && to == kDeadState) return kMixed;
    return wide_leads_to(state, to, cost) ? to : kMixed;
  }
  const std::vector<uint8_t>& bytes = kind_bytes_[kind];
  if (bytes.empty()) return kDeadState;  // no kind
  const GrammarState to = step(state, bytes.front());
  for (const uint8_t byte : bytes) {
    if (step(state, byte) != to) return kMixed;
  }
  return to;
}

// The first byte after all that no edge tells apart from this one.
unsigned Automaton::class_end(unsigned byte) const {
  const size_t next = size_t{class_of_[byte]} + 1;
  return next < n_classes_ ? class_first_[next] : 256;
}

// Whether each byte of low..high, and after it n_more bytes of 80..BF, leads to `to`.
bool Automaton::leads_to(GrammarState from, unsigned low, unsigned high, int n_more, GrammarState to, uint64_t* cost) {
  *cost += states_[from].cost;
  GrammarState known = kUnknown;
  for (unsigned byte = low; byte <= high; byte = class_end(byte)) {
    const GrammarState next = step(from, static_cast<uint8_t>(byte));
    if (next == known) continue;
    if (n_more == 0 ? next != to : next == kDeadState || !leads_to(next, 0x80, 0xbf, n_more - 1, to, cost)) return false;
    known = next;
  }
  return true;
}

// Copy j of a run and copy k have the same ways on for as many bytes as the smaller of them has copies after it.
NfaNode Automaton::near_node(NfaNode node, uint32_t n_bytes) const {
  for (uint32_t r = nodes_[node].run; r != kNoRun; r = runs_[r].outer) {
    const NfaRun& run = runs_[r].run;
    // Inside an outer run's copy the inner one may be that of another copy by now; where in it the node is, is the same.
    const uint32_t copy = (node - run.first) / run.size;
    if (copy > n_bytes) node -= (copy - n_bytes) * run.size;
  }
  return node;
}

uint32_t Automaton::near_stack(uint32_t stack, Near* near) {
  if (stack == kNoStack) return kNoStack;
  if (near->frames.size() < frames_.size()) near->frames.resize(frames_.size(), kUnknown);
  if (near->frames[stack] == kUnknown) {
    const Frame frame = frames_[stack];
    const uint32_t parent = near_stack(frame.parent, near);
    near->frames[stack] = push(near_node(frame.back, near->n_bytes), parent);
  }
  return near->frames[stack];
}

GrammarState Automaton::near(GrammarState state, uint32_t n_bytes) {
  if (runs_.empty() || state == kDeadState) return state;
  auto found = std::find_if(nears_.begin(), nears_.end(), [&](const Near& one) { return one.n_bytes == n_bytes; });
  if (found == nears_.end()) found = nears_.insert(nears_.end(), Near{n_bytes, {}, {}});
  Near& near = *found;
  if (state >= near.states.size()) near.states.resize(states_.size(), kUnknown);
  if (near.states[state] != kUnknown) return near.states[state];
  State moved;
  moved.accepts = states_[state].accepts;
  moved.cost = states_[state].cost;
  bool is_same = true;
  for (const Position& at : states_[state].positions) {
    const Position to{near_node(at.node, n_bytes), near_stack(at.stack, &near)};
    is_same = is_same && to == at;
    moved.positions.push_back(to);
  }
  GrammarState to = state;
  if (!is_same) {
    std::sort(moved.positions.begin(), moved.positions.end());
    moved.positions.erase(std::unique(moved.positions.begin(), moved.positions.end()), moved.positions.end());
    to = intern(std::move(moved));
  }
  if (exhausted_) return kDeadState;
  near.states[state] = to;
  return to;
}

GrammarState Automaton::restart(GrammarState keep) {
  if (keep == kDeadState || keep >= states_.size()) {
    begin();
    return kDeadState;
  }
  const State state = std::move(states_[keep]);
  const std::vector<Frame> frames = std::move(frames_);
  begin();
  State kept;
  kept.accepts = state.accepts;
  kept.cost = state.cost;
  std::vector<NfaNode> stack;
  for (const Position& at : state.positions) {
    stack.clear();
    for (uint32_t i = at.stack; i != kNoStack; i = frames[i].parent) stack.push_back(frames[i].back);
    uint32_t top = kNoStack;
    for (auto back = stack.rbegin(); back != stack.rend(); ++back) top = push(*back, top);
    kept.positions.push_back({at.node, top});
  }
  std::sort(kept.positions.begin(), kept.positions.end());
  return intern(std::move(kept));
}

void Automaton::Seen::clear() {
  if (n_ > kFew) slots_.assign(slots_.size() > 1024 ? 64 : slots_.size(), 0);
  n_ = 0;
}

bool Automaton::Seen::insert(Position p) {
  const uint64_t key = ((uint64_t{p.node} << 32) | p.stack) + 1;
  if (n_ < kFew) {
    if (std::find(few_.begin(), few_.begin() + static_cast<std::ptrdiff_t>(n_), key) != few_.begin() + static_cast<std::ptrdiff_t>(n_)) return false;
    few_[n_++] = key;
    return true;
  }
  if (n_ == kFew) {
    if (std::find(few_.begin(), few_.end(), key) != few_.end()) return false;
    if (slots_.empty()) slots_.assign(64, 0);
    for (const uint64_t one : few_) put(one);
  } else {
    size_t i = slot_of(key, slots_.size());
    while (slots_[i] != 0) {
      if (slots_[i] == key) return false;
      i = (i + 1) & (slots_.size() - 1);
    }
  }
  put(key);
  if (++n_ * 2 > slots_.size()) grow();
  return true;
}

void Automaton::Seen::put(uint64_t key) {
  size_t i = slot_of(key, slots_.size());
  while (slots_[i] != 0) i = (i + 1) & (slots_.size() - 1);
  slots_[i] = key;
}

void Automaton::Seen::grow() {
  const std::vector<uint64_t> old = std::move(slots_);
  slots_.assign(old.size() * 2, 0);
  for (const uint64_t key : old) {
    if (key != 0) put(key);
  }
}

uint32_t Automaton::push(NfaNode back, uint32_t parent) {
  const uint64_t key = (uint64_t{back} << 32) | parent;
  if (frames_.size() >= limits_.frames) {
    exhausted_ = true;
    return parent;
  }
  const auto [it, is_new] = frame_index_.try_emplace(key, static_cast<uint32_t>(frames_.size()));
  if (is_new) frames_.push_back({back, parent, frames_[parent].depth + 1});
  return it->second;
}

// Follows everything that reads no byte: empty edges, calls, returns.
void Automaton::close(std::vector<Position>* todo, State* out) {
  seen_.clear();
  std::erase_if(*todo, [this](const Position& p) { return !seen_.insert(p); });
  const auto visit = [&](Position p) {
    if (exhausted_ || !seen_.insert(p)) return;
    if (seen_.size() > limits_.positions) {
      exhausted_ = true;
    } else {
      todo->push_back(p);
    }
  };
  while (!todo->empty()) {
    const Position at = todo->back();
    todo->pop_back();
    const Node& node = nodes_[at.node];
    bool reads = false;
    for (const NfaEdge& edge : edges(at.node)) {
      switch (edge.kind) {
        case NfaEdge::Kind::kByte: reads = true; break;
        case NfaEdge::Kind::kEmpty: visit({edge.to, at.stack}); break;
        case NfaEdge::Kind::kCall:
          if (nodes_[edge.to].is_pure_end) {  // a tail call returns to our caller: right recursion needs no stack
            visit({rule_starts_[edge.rule], at.stack});
          } else if (frames_[at.stack].depth < limits_.stack_depth) {
            visit({rule_starts_[edge.rule], push(edge.to, at.stack)});
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
  out->cost = static_cast<uint32_t>(seen_.size());
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
  if (states_.size() >= limits_.states || n_positions_ + state.positions.size() > limits_.all_positions) {
    exhausted_ = true;
    return kDeadState;
  }
  n_positions_ += state.positions.size();
  const GrammarState id = static_cast<GrammarState>(states_.size());
  states_.push_back(std::move(state));
  rows_.resize(rows_.size() + n_classes_, kUnknown);
  state_index_.emplace(hash, id);
  return id;
}

GrammarState Automaton::compute(GrammarState state, uint8_t byte) {
  // Bytes that no edge of this state tells apart lead to the same state: classes are the whole grammar's, and most differ elsewhere only. The bytes of
  // low..high around this one are alike here; others may be, too, and are found when they are asked for.
  const size_t mine = class_of_[byte];
  size_t low = 0, high = n_classes_ - 1;
  std::vector<Position>& next = todo_;
  next.clear();
  for (const Position& at : states_[state].positions) {
    for (const NfaEdge& edge : edges(at.node)) {
      if (edge.kind != NfaEdge::Kind::kByte) continue;
      const size_t first = class_of_[edge.low], last = class_of_[edge.high];
      if (last < mine) {
        low = std::max(low, last + 1);
      } else if (first > mine) {
        high = std::min(high, first - 1);
      } else {
        low = std::max(low, first);
        high = std::min(high, last);
        next.push_back({edge.to, at.stack});
      }
    }
  }
  GrammarState to = kDeadState;
  if (!next.empty()) {
    // Most bytes lead to one position, and to the same one as others: a character of a string to the next one, say.
    const uint64_t key = (uint64_t{next.front().node} << 32) | next.front().stack;
    const auto known = next.size() == 1 ? closed_.find(key) : closed_.end();
    if (known != closed_.end()) {
      to = known->second;
    } else {
      const bool is_one = next.size() == 1;
      State closed;
      close(&next, &closed);
      to = intern(std::move(closed));
      if (is_one && !exhausted_) closed_.emplace(key, to);
    }
  }
  GrammarState* const row = &rows_[size_t{state} * n_classes_];
  std::fill(row + low, row + high + 1, to);
  return to;
}

GrammarState Automaton::run(GrammarState state, std::string_view text) {
  for (const char c : text) state = step(state, static_cast<uint8_t>(c));
  return state;
}

bool Automaton::goes_on(GrammarState state) {
  for (const uint8_t byte : class_first_) {
    if (step(state, byte) != kDeadState) return true;
  }
  return false;
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
