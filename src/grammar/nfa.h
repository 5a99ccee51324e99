// The common form behind JSON Schema, regular expressions and the grammar notation: a recursive transition network over bytes. Each
// rule is a nondeterministic automaton whose edges read a byte range, or call another rule and come back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace firesteel {

using NfaNode = uint32_t;
using NfaRule = uint32_t;

struct NfaEdge {
  enum class Kind : uint8_t { kByte, kEmpty, kCall };
  Kind kind = Kind::kEmpty;
  uint8_t low = 0, high = 0;  // kByte: inclusive
  NfaRule rule = 0;           // kCall
  NfaNode to = 0;
};

// Copies of one counted repetition that are alike but for their place: nodes first .. first + n_copies * size - 1, copy j being nodes first + j * size
// and on. Copy j leads to copy j - 1, copy 0 to what follows, and each takes at least a byte. Edges that leave a copy otherwise have the same
// end in all of them.
struct NfaRun {
  NfaNode first = 0;
  uint32_t size = 0, n_copies = 0;
};

struct Nfa {
  struct Node {
    std::vector<NfaEdge> edges;
    bool accepts = false;  // end of its rule
  };
  std::vector<Node> nodes;
  std::vector<NfaNode> rule_starts;
  std::vector<std::string> rule_names;  // for messages
  NfaRule root = 0;
  std::vector<NfaRun> runs;  // those inside another's copy come before it
};

// Caps on what a grammar may cost. A grammar that meets one is refused with the count, never cut.
struct GrammarLimits {
  uint32_t nodes = 200'000;
  uint32_t rules = 4'096;
  uint32_t depth = 100;            // nesting of the source
  uint32_t repeat = 2'000;         // largest bound of a counted repetition
  uint64_t source_bytes = 1 << 20;
};

struct CodeRange {
  uint32_t low = 0, high = 0;  // code points, inclusive
  bool operator==(const CodeRange&) const = default;
};
// Sorted, without overlaps.
using CodeSet = std::vector<CodeRange>;

CodeSet normalise(CodeSet set);
CodeSet complement(const CodeSet& set);  // within U+0000..U+10FFFF without surrogates
CodeSet intersect(const CodeSet& a, const CodeSet& b);

// Builds fragments backwards: every function takes the node that follows and returns the node where the fragment starts, so shared
// continuations cost nothing. After a limit is met the builder keeps returning valid nodes, and status() has the error.
class NfaBuilder {
 public:
  explicit NfaBuilder(GrammarLimits limits) : limits_(limits) {}

  NfaNode node();                                  // no edges
  NfaNode accept();                                // end of a rule
  void link(NfaNode from, NfaNode to);             // empty edge
  NfaNode bytes(uint8_t low, uint8_t high, NfaNode next);
  NfaNode literal(std::string_view text, NfaNode next);
  NfaNode code_set(const CodeSet& set, NfaNode next);  // one UTF-8 character of the set
  NfaNode any_of(const std::vector<NfaNode>& starts);  // alternatives
  NfaNode call(NfaRule rule, NfaNode next);

  // `make(next)` builds one occurrence. n_max < 0: without upper bound.
  template <typename Make>
  NfaNode repeat(int64_t n_min, int64_t n_max, NfaNode next, Make&& make) {
    if (n_min > limits_.repeat || n_max > int64_t{limits_.repeat}) {
      fail("repetition {" + std::to_string(n_min) + "," + std::to_string(n_max) + "}: at most " + std::to_string(limits_.repeat));
      return next;
    }
    NfaNode start = next;
    std::vector<Copy> copies;
    if (n_max < 0) {
      start = node();
      link(start, make(start));
      link(start, next);
    } else {
      for (int64_t i = n_min; i < n_max && ok(); ++i) {
        const NfaNode optional = node();
        link(optional, make(start));
        link(optional, next);
        copies.push_back({optional, n_nodes(), optional, start});
        start = optional;
      }
    }
    note_copies(copies);
    copies.clear();
    for (int64_t i = 0; i < n_min && ok(); ++i) {
      const NfaNode before = start, begin = n_nodes();
      start = make(before);
      if (start == before) break;  // an empty body: nested counts would otherwise multiply without adding a state
      copies.push_back({begin, n_nodes(), start, before});
    }
    note_copies(copies);
    return start;
  }

  NfaRule declare_rule(std::string name);
  void define_rule(NfaRule rule, NfaNode start);
  bool is_defined(NfaRule rule) const { return defined_[rule]; }

  bool ok() const { return !failed_; }
  void fail(std::string message);
  const GrammarLimits& limits() const { return limits_; }

  // Checks that every rule is defined and none is left-recursive (it would call itself without reading a byte).
  Result<Nfa> finish(NfaRule root);

 private:
  struct Copy {
    NfaNode begin, end;        // nodes that were made for it
    NfaNode start, following;
  };
  NfaNode n_nodes() const { return static_cast<NfaNode>(nfa_.nodes.size()); }
  // Finds the runs among the copies of a repetition, the last copy first.
  void note_copies(const std::vector<Copy>& copies);
  bool are_alike(const Copy& a, const Copy& b) const;

  GrammarLimits limits_;
  Nfa nfa_;
  std::vector<bool> defined_;
  bool failed_ = false;
  std::string message_;
};

}  // namespace firesteel
