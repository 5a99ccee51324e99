#include "grammar/nfa.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace firesteel {
namespace {

constexpr uint32_t kMaxCodePoint = 0x10FFFF;

struct Utf8Bytes {
  uint8_t bytes[4];
  int n;
};

Utf8Bytes encode(uint32_t c) {
  const auto tail = [](uint32_t bits) { return static_cast<uint8_t>(0x80 | (bits & 0x3F)); };
  if (c < 0x80) return {{static_cast<uint8_t>(c)}, 1};
  if (c < 0x800) return {{static_cast<uint8_t>(0xC0 | (c >> 6)), tail(c)}, 2};
  if (c < 0x10000) return {{static_cast<uint8_t>(0xE0 | (c >> 12)), tail(c >> 6), tail(c)}, 3};
  return {{static_cast<uint8_t>(0xF0 | (c >> 18)), tail(c >> 12), tail(c >> 6), tail(c)}, 4};
}

// Calls emit(first, last) for sub-ranges of [low, high] whose encodings are a product of byte ranges: same length, and after the
// first byte that differs, all following bytes run over their whole range.
void split_utf8(uint32_t low, uint32_t high, const std::function<void(const Utf8Bytes&, const Utf8Bytes&)>& emit) {
  for (const uint32_t limit : {0x7Fu, 0x7FFu, 0xFFFFu}) {
    if (low <= limit && high > limit) {
      split_utf8(low, limit, emit);
      split_utf8(limit + 1, high, emit);
      return;
    }
  }
  const int n = encode(low).n;
  for (int i = 1; i < n; ++i) {
    const uint32_t mask = (1u << (6 * i)) - 1;
    if ((low & ~mask) == (high & ~mask)) continue;
    if ((low & mask) != 0) {
      split_utf8(low, low | mask, emit);
      split_utf8((low | mask) + 1, high, emit);
      return;
    }
    if ((high & mask) != mask) {
      split_utf8(low, (high & ~mask) - 1, emit);
      split_utf8(high & ~mask, high, emit);
      return;
    }
  }
  emit(encode(low), encode(high));
}

}  // namespace

CodeSet normalise(CodeSet set) {
  std::sort(set.begin(), set.end(), [](const CodeRange& a, const CodeRange& b) { return a.low < b.low; });
  CodeSet out;
  for (const CodeRange& range : set) {
    if (range.low > range.high) continue;
    if (!out.empty() && range.low <= out.back().high + 1) {
      out.back().high = std::max(out.back().high, range.high);
    } else {
      out.push_back(range);
    }
  }
  return out;
}

CodeSet complement(const CodeSet& set) {
  CodeSet out;
  uint32_t next = 0;
  for (const CodeRange& range : set) {
    if (range.low > next) out.push_back({next, range.low - 1});
    next = range.high + 1;
  }
  if (next <= kMaxCodePoint) out.push_back({next, kMaxCodePoint});
  return intersect(out, {{0, 0xD7FF}, {0xE000, kMaxCodePoint}});
}

CodeSet intersect(const CodeSet& a, const CodeSet& b) {
  CodeSet out;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const uint32_t low = std::max(a[i].low, b[j].low);
    const uint32_t high = std::min(a[i].high, b[j].high);
    if (low <= high) out.push_back({low, high});
    if (a[i].high < b[j].high) {
      ++i;
    } else {
      ++j;
    }
  }
  return out;
}

void NfaBuilder::fail(std::string message) {
  if (failed_) return;
  failed_ = true;
  message_ = std::move(message);
}

NfaNode NfaBuilder::node() {
  if (nfa_.nodes.size() >= limits_.nodes) {
    fail("grammar has more than " + std::to_string(limits_.nodes) + " states");
    return static_cast<NfaNode>(nfa_.nodes.size() - 1);
  }
  nfa_.nodes.emplace_back();
  return static_cast<NfaNode>(nfa_.nodes.size() - 1);
}

NfaNode NfaBuilder::accept() {
  const NfaNode n = node();
  nfa_.nodes[n].accepts = true;
  return n;
}

void NfaBuilder::link(NfaNode from, NfaNode to) {
  if (failed_ || from == to) return;
  nfa_.nodes[from].edges.push_back({NfaEdge::Kind::kEmpty, 0, 0, 0, to});
}

NfaNode NfaBuilder::bytes(uint8_t low, uint8_t high, NfaNode next) {
  const NfaNode n = node();
  if (!failed_) nfa_.nodes[n].edges.push_back({NfaEdge::Kind::kByte, low, high, 0, next});
  return n;
}

NfaNode NfaBuilder::literal(std::string_view text, NfaNode next) {
  for (size_t i = text.size(); i > 0 && !failed_; --i) {
    const uint8_t byte = static_cast<uint8_t>(text[i - 1]);
    next = bytes(byte, byte, next);
  }
  return next;
}

NfaNode NfaBuilder::code_set(const CodeSet& set, NfaNode next) {
  const NfaNode start = node();
  // Whole-range continuation chains are shared: most of a large set ends in the same one, two or three trailing bytes.
  NfaNode tails[4] = {next, 0, 0, 0};
  const auto tail = [&](int n) {
    for (int i = 1; i <= n; ++i) {
      if (tails[i] == 0) tails[i] = bytes(0x80, 0xBF, tails[i - 1]);
    }
    return tails[n];
  };
  for (const CodeRange& range : set) {
    if (failed_) break;
    split_utf8(range.low, range.high, [&](const Utf8Bytes& first, const Utf8Bytes& last) {
      int n_whole = 0;
      while (n_whole < first.n - 1 && first.bytes[first.n - 1 - n_whole] == 0x80 && last.bytes[first.n - 1 - n_whole] == 0xBF) ++n_whole;
      NfaNode to = tail(n_whole);
      for (int i = first.n - n_whole - 1; i > 0; --i) to = bytes(first.bytes[i], last.bytes[i], to);
      if (!failed_) nfa_.nodes[start].edges.push_back({NfaEdge::Kind::kByte, first.bytes[0], last.bytes[0], 0, to});
    });
  }
  return start;
}

NfaNode NfaBuilder::any_of(const std::vector<NfaNode>& starts) {
  if (starts.size() == 1) return starts[0];
  const NfaNode n = node();
  for (const NfaNode start : starts) link(n, start);
  return n;
}

NfaNode NfaBuilder::call(NfaRule rule, NfaNode next) {
  const NfaNode n = node();
  if (!failed_) nfa_.nodes[n].edges.push_back({NfaEdge::Kind::kCall, 0, 0, rule, next});
  return n;
}

bool NfaBuilder::are_alike(const Copy& a, const Copy& b) const {
  const NfaNode size = a.end - a.begin;
  if (b.end - b.begin != size || b.start - b.begin != a.start - a.begin) return false;
  for (NfaNode i = 0; i < size; ++i) {
    const Nfa::Node& x = nfa_.nodes[a.begin + i];
    const Nfa::Node& y = nfa_.nodes[b.begin + i];
    if (x.accepts != y.accepts || x.edges.size() != y.edges.size()) return false;
    for (size_t e = 0; e < x.edges.size(); ++e) {
      const NfaEdge &p = x.edges[e], &q = y.edges[e];
      if (p.kind != q.kind || p.low != q.low || p.high != q.high || p.rule != q.rule) return false;
      const bool is_inside = p.to >= a.begin && p.to < a.end;
      const bool fits = is_inside ? q.to == p.to - a.begin + b.begin : p.to == q.to || (p.to == a.following && q.to == b.following);
      if (!fits) return false;
    }
  }
  return true;
}

void NfaBuilder::note_copies(const std::vector<Copy>& copies) {
  constexpr size_t kCopiesMin = 8;  // fewer are not worth a look
  for (size_t first = 0; first < copies.size() && ok();) {
    size_t end = first + 1;
    const Copy& model = copies[first];
    while (end < copies.size() && copies[end].begin == copies[end - 1].end && copies[end].following == copies[end - 1].start && are_alike(copies[end], copies[end - 1])) ++end;
    if (end - first >= kCopiesMin && model.end > model.begin) {
      nfa_.runs.push_back({model.begin, model.end - model.begin, static_cast<uint32_t>(end - first)});
    }
    first = end;
  }
}

NfaRule NfaBuilder::declare_rule(std::string name) {
  if (nfa_.rule_starts.size() >= limits_.rules) {
    fail("grammar has more than " + std::to_string(limits_.rules) + " rules");
    return 0;
  }
  nfa_.rule_starts.push_back(0);
  nfa_.rule_names.push_back(std::move(name));
  defined_.push_back(false);
  return static_cast<NfaRule>(nfa_.rule_starts.size() - 1);
}

void NfaBuilder::define_rule(NfaRule rule, NfaNode start) {
  if (failed_) return;
  nfa_.rule_starts[rule] = start;
  defined_[rule] = true;
}

namespace {

// Which rules match the empty text. From the ends of rules backwards over what reads nothing; every edge is followed once.
std::vector<bool> find_nullable(const Nfa& nfa) {
  struct Before {
    NfaNode node;
    bool is_call;
    NfaRule rule;
  };
  std::vector<std::vector<Before>> before(nfa.nodes.size());
  std::vector<std::vector<NfaRule>> starts(nfa.nodes.size());  // rules that start at a node
  std::vector<bool> ends(nfa.nodes.size(), false);             // reaches the end of its rule without reading
  std::vector<NfaNode> todo;
  const auto mark = [&](NfaNode n) {
    if (ends[n]) return;
    ends[n] = true;
    todo.push_back(n);
  };
  for (size_t i = 0; i < nfa.nodes.size(); ++i) {
    const auto n = static_cast<NfaNode>(i);
    for (const NfaEdge& edge : nfa.nodes[i].edges) {
      if (edge.kind != NfaEdge::Kind::kByte) before[edge.to].push_back({n, edge.kind == NfaEdge::Kind::kCall, edge.rule});
    }
    if (nfa.nodes[i].accepts) mark(n);
  }
  for (size_t rule = 0; rule < nfa.rule_starts.size(); ++rule) starts[nfa.rule_starts[rule]].push_back(static_cast<NfaRule>(rule));
  std::vector<bool> nullable(nfa.rule_starts.size(), false);
  std::vector<std::vector<NfaNode>> waiting(nfa.rule_starts.size());  // calls whose return reaches the end
  while (!todo.empty()) {
    const NfaNode at = todo.back();
    todo.pop_back();
    for (const Before& b : before[at]) {
      if (!b.is_call || nullable[b.rule]) {
        mark(b.node);
      } else {
        waiting[b.rule].push_back(b.node);
      }
    }
    for (const NfaRule rule : starts[at]) {
      nullable[rule] = true;
      for (const NfaNode n : waiting[rule]) mark(n);
    }
  }
  return nullable;
}

// Rules that each rule can call before its first byte.
std::vector<std::vector<NfaRule>> find_first_calls(const Nfa& nfa, const std::vector<bool>& nullable) {
  std::vector<std::vector<NfaRule>> calls(nfa.rule_starts.size());
  std::vector<NfaRule> seen_by(nfa.nodes.size(), UINT32_MAX);
  for (size_t i = 0; i < calls.size(); ++i) {
    const auto rule = static_cast<NfaRule>(i);
    std::vector<NfaNode> todo;
    const auto visit = [&](NfaNode n) {
      if (seen_by[n] == rule) return;
      seen_by[n] = rule;
      todo.push_back(n);
    };
    visit(nfa.rule_starts[i]);
    while (!todo.empty()) {
      const NfaNode at = todo.back();
      todo.pop_back();
      for (const NfaEdge& edge : nfa.nodes[at].edges) {
        if (edge.kind == NfaEdge::Kind::kCall) calls[i].push_back(edge.rule);
        if (edge.kind == NfaEdge::Kind::kEmpty || (edge.kind == NfaEdge::Kind::kCall && nullable[edge.rule])) visit(edge.to);
      }
    }
  }
  return calls;
}

// Whether some way leads from copy 1 to copy 0 without reading a byte.
bool copy_may_be_empty(const Nfa& nfa, const NfaRun& run, const std::vector<bool>& nullable) {
  const NfaNode begin = run.first + run.size, end = begin + run.size;
  std::vector<bool> reached(run.size, false);
  // From every node that copy 2 leads to: the start of copy 1.
  std::vector<NfaNode> todo;
  const auto visit = [&](NfaNode n) {
    if (n < begin || n >= end || reached[n - begin]) return;
    reached[n - begin] = true;
    todo.push_back(n);
  };
  for (NfaNode n = end; n < end + run.size; ++n) {
    for (const NfaEdge& edge : nfa.nodes[n].edges) visit(edge.to);
  }
  while (!todo.empty()) {
    const NfaNode at = todo.back();
    todo.pop_back();
    for (const NfaEdge& edge : nfa.nodes[at].edges) {
      if (edge.kind == NfaEdge::Kind::kByte || (edge.kind == NfaEdge::Kind::kCall && !nullable[edge.rule])) continue;
      if (edge.to >= run.first && edge.to < begin) return true;
      visit(edge.to);
    }
  }
  return false;
}

}  // namespace

Result<Nfa> NfaBuilder::finish(NfaRule root) {
  const auto error = [](std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; };
  if (failed_) return error(message_);
  for (size_t i = 0; i < defined_.size(); ++i) {
    if (!defined_[i]) return error("rule \"" + nfa_.rule_names[i] + "\" is used but not defined");
  }
  nfa_.root = root;
  const size_t n_rules = nfa_.rule_starts.size();
  const std::vector<bool> nullable = find_nullable(nfa_);
  std::erase_if(nfa_.runs, [&](const NfaRun& run) { return copy_may_be_empty(nfa_, run, nullable); });
  const std::vector<std::vector<NfaRule>> calls = find_first_calls(nfa_, nullable);
  // Depth-first search for a cycle of calls that read nothing.
  enum class Mark : uint8_t { kNew, kOpen, kDone };
  std::vector<Mark> marks(n_rules, Mark::kNew);
  for (size_t first = 0; first < n_rules; ++first) {
    if (marks[first] != Mark::kNew) continue;
    std::vector<std::pair<NfaRule, size_t>> path = {{static_cast<NfaRule>(first), 0}};
    marks[first] = Mark::kOpen;
    while (!path.empty()) {
      auto& [rule, next_call] = path.back();
      if (next_call == calls[rule].size()) {
        marks[rule] = Mark::kDone;
        path.pop_back();
        continue;
      }
      const NfaRule callee = calls[rule][next_call++];
      if (marks[callee] == Mark::kOpen) return error("rule \"" + nfa_.rule_names[callee] + "\" can call itself without reading anything (left recursion)");
      if (marks[callee] == Mark::kNew) {
        marks[callee] = Mark::kOpen;
        path.emplace_back(callee, 0);
      }
    }
  }
  return std::move(nfa_);
}

}  // namespace firesteel
