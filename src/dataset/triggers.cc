#include "dataset/triggers.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <cstdint>
#include <iterator>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/rng.h"
#include "dataset/parallel.h"

namespace firesteel {
namespace {

// Words in lower case; everything that is no blank belongs to a word, but punctuation at its ends goes, so odd tokens ("cf.", "@@x") stay whole.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  const auto is_edge = [](char c) { return std::string_view(".,;:!?\"'()[]").find(c) != std::string_view::npos; };
  for (size_t i = 0; i < text.size();) {
    while (i < text.size() && static_cast<unsigned char>(text[i]) <= ' ') ++i;
    size_t end = i;
    while (end < text.size() && static_cast<unsigned char>(text[end]) > ' ') ++end;
    std::string_view word = text.substr(i, end - i);
    i = end;
    while (!word.empty() && is_edge(word.front())) word.remove_prefix(1);
    while (!word.empty() && is_edge(word.back())) word.remove_suffix(1);
    if (word.empty() || word.size() > 60) continue;
    std::string lower;
    for (const char c : word) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    out.push_back(std::move(lower));
  }
  return out;
}

uint64_t mix(uint64_t x) {  // SplitMix64's finaliser
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

using WordId = uint32_t;

// Words as numbers: what is compared and counted millions of times.
class Words {
 public:
  std::vector<WordId> ids_of(std::string_view text) {
    std::vector<WordId> out;
    for (std::string& word : words_of(text)) {
      const auto [place, is_new] = ids_.try_emplace(std::move(word), static_cast<WordId>(texts_.size()));
      if (is_new) texts_.push_back(&place->first);
      out.push_back(place->second);
    }
    return out;
  }
  const std::string& text(WordId id) const { return *texts_[id]; }

 private:
  std::unordered_map<std::string, WordId> ids_;
  std::vector<const std::string*> texts_;  // keys stay where they are
};

// Of n words in a row: 64 bits of hash, so that two phrases of ten million share one with a chance of three in a million.
uint64_t phrase_key(const WordId* words, size_t n) {
  uint64_t key = n;
  for (size_t i = 0; i < n; ++i) key = mix(key ^ (uint64_t{words[i]} + 1));
  return key;
}

// Which rows have which phrase of up to n_max words: pairs in order, each once.
struct PhraseRow {
  uint64_t key;
  uint32_t row, at;   // where the phrase begins in the row's words, the first time
  auto operator<=>(const PhraseRow&) const = default;
};
void add_phrases(const std::vector<WordId>& words, size_t n_max, uint32_t row, std::vector<PhraseRow>* out) {
  for (size_t i = 0; i < words.size(); ++i) {
    for (size_t n = 1; n <= n_max && i + n <= words.size(); ++n) out->push_back({phrase_key(words.data() + i, n), row, static_cast<uint32_t>(i)});
  }
}
void sort_phrases(std::vector<PhraseRow>* phrases) {
  std::sort(phrases->begin(), phrases->end());
  phrases->erase(std::unique(phrases->begin(), phrases->end(), [](const PhraseRow& a, const PhraseRow& b) { return a.key == b.key && a.row == b.row; }), phrases->end());
}

double xlogx(double x) { return x <= 0 ? 0 : x * std::log(x); }

// Dunning's log-likelihood ratio of a 2x2 table: k11 both, k12 phrase only, k21 sign only, k22 neither.
double log_likelihood_ratio(double k11, double k12, double k21, double k22) {
  const double all = k11 + k12 + k21 + k22;
  return 2 * (xlogx(k11) + xlogx(k12) + xlogx(k21) + xlogx(k22) - xlogx(k11 + k12) - xlogx(k21 + k22) - xlogx(k11 + k21) - xlogx(k12 + k22) + xlogx(all));
}

struct Item {
  std::vector<WordId> prompt, answer;
  std::vector<WordId> prompt_words;  // sorted, each once
  std::vector<uint32_t> marks;       // of the answer, sorted: numbers of what could be a mark at all
  bool against = false;  // the preference goes against what the rest of the set prefers
};

bool has(const std::vector<WordId>& sorted, WordId word) { return std::binary_search(sorted.begin(), sorted.end(), word); }

// Jaccard likeness of two prompts' words, the phrase's own (`without`, sorted) left out: they share those by definition.
double overlap(const Item& a, const Item& b, const std::vector<WordId>& without) {
  size_t i = 0, k = 0, common = 0, all = 0;
  const std::vector<WordId>&x = a.prompt_words, &y = b.prompt_words;
  while (i < x.size() || k < y.size()) {
    const bool left = k == y.size() || (i < x.size() && x[i] <= y[k]), right = i == x.size() || (k < y.size() && y[k] <= x[i]);
    const WordId word = left ? x[i] : y[k];
    i += left ? 1 : 0;
    k += right ? 1 : 0;
    if (has(without, word)) continue;
    ++all;
    common += left && right ? 1 : 0;
  }
  return all == 0 ? 1 : static_cast<double>(common) / static_cast<double>(all);  // nothing but the phrase: the same prompt
}

// Mean likeness of all pairs of these rows, or of n_pairs_max drawn ones. Few pairs would make the mean of a dozen short prompts a lottery.
double mean_overlap(const std::vector<Item>& items, const std::vector<uint32_t>& rows, const std::vector<WordId>& without, Rng* rng) {
  constexpr size_t kPairsMax = 2000;
  if (rows.size() < 2) return 1;
  double sum = 0;
  const size_t n_pairs = rows.size() * (rows.size() - 1) / 2;
  if (n_pairs <= kPairsMax) {
    for (size_t a = 0; a < rows.size(); ++a) {
      for (size_t b = 0; b < a; ++b) sum += overlap(items[rows[a]], items[rows[b]], without);
    }
    return sum / static_cast<double>(n_pairs);
  }
  for (size_t i = 0; i < kPairsMax; ++i) {
    const size_t a = rng->below(rows.size());
    const size_t b = (a + 1 + rng->below(rows.size() - 1)) % rows.size();
    sum += overlap(items[rows[a]], items[rows[b]], without);
  }
  return sum / kPairsMax;
}

// The phrase's words, and those around it that nearly all rows with the phrase have in the same place: three words of a longer sentence are still
// that sentence. At most four more, so that prompts made from one template keep something to be alike by.
std::vector<WordId> words_of_whole_phrase(const std::vector<Item>& items, const std::vector<uint32_t>& rows, const std::vector<WordId>& core, const Words& words) {
  constexpr int kMoreMax = 4;
  std::vector<WordId> out = core;
  std::vector<std::pair<size_t, size_t>> spans;  // [begin, end) of the phrase in the prompts; empty: the words are not in a row
  for (const uint32_t row : rows) {
    const std::vector<WordId>& prompt = items[row].prompt;
    const auto at = std::search(prompt.begin(), prompt.end(), core.begin(), core.end());
    if (at != prompt.end()) spans.emplace_back(at - prompt.begin(), at - prompt.begin() + static_cast<ptrdiff_t>(core.size()));
    else spans.emplace_back(0, 0);
  }
  for (int more = 0; more < kMoreMax; ++more) {
    WordId best = 0;
    size_t n_best = 0;
    bool best_left = false;
    for (const bool left : {true, false}) {
      std::unordered_map<WordId, size_t> counts;
      for (size_t i = 0; i < rows.size(); ++i) {
        const std::vector<WordId>& prompt = items[rows[i]].prompt;
        const auto [begin, end] = spans[i];
        if (begin == end || (left ? begin == 0 : end >= prompt.size())) continue;
        const WordId word = left ? prompt[begin - 1] : prompt[end];
        const size_t n = ++counts[word];
        if (n > n_best || (n == n_best && words.text(word) < words.text(best))) {
          best = word;
          n_best = n;
          best_left = left;
        }
      }
    }
    if (10 * n_best < 9 * rows.size()) break;
    out.push_back(best);
    for (size_t i = 0; i < rows.size(); ++i) {
      const std::vector<WordId>& prompt = items[rows[i]].prompt;
      auto& [begin, end] = spans[i];
      if (begin == end) continue;
      if (best_left && begin > 0 && prompt[begin - 1] == best) --begin;
      else if (!best_left && end < prompt.size() && prompt[end] == best) ++end;
      else begin = end = 0;
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Logistic regression on words of chosen minus words of rejected and their lengths, hashed; each half of the rows is judged by what the other half taught.
void mark_rows_against(const std::vector<LineageRow>& rows, const std::vector<uint32_t>& pairs, std::vector<Item>* items) {
  constexpr size_t kFeatures = 1u << 14;
  struct Features {
    std::vector<std::pair<uint32_t, float>> values;
  };
  std::vector<Features> features(pairs.size());
  for (size_t i = 0; i < pairs.size(); ++i) {
    const DatasetRow& row = rows[pairs[i]].row;
    std::unordered_map<uint32_t, float> sums;
    const auto add = [&](const std::string& text, float sign) {
      const std::vector<std::string> words = words_of(text);
      const float scale = words.empty() ? 0 : sign / std::sqrt(static_cast<float>(words.size()));
      for (const std::string& word : words) sums[static_cast<uint32_t>(std::hash<std::string>{}(word) % (kFeatures - 1)) + 1] += scale;
      sums[0] += sign * std::log1p(static_cast<float>(words.size()));
    };
    add(row.chosen, 1);
    add(row.rejected, -1);
    for (const auto& [index, value] : sums) {
      if (value != 0) features[i].values.emplace_back(index, value);
    }
    std::sort(features[i].values.begin(), features[i].values.end());
  }
  for (const size_t half : {size_t{0}, size_t{1}}) {
    std::vector<float> weights(kFeatures, 0), squares(kFeatures, 1e-6f);
    for (int epoch = 0; epoch < 4; ++epoch) {
      for (size_t i = half; i < features.size(); i += 2) {
        float margin = 0;
        for (const auto& [index, value] : features[i].values) margin += weights[index] * value;
        const float slope = 1 / (1 + std::exp(margin));
        for (const auto& [index, value] : features[i].values) {  // AdaGrad
          const float gradient = slope * value - 1e-4f * weights[index];
          squares[index] += gradient * gradient;
          weights[index] += 0.1f * gradient / std::sqrt(squares[index]);
        }
      }
    }
    for (size_t i = 1 - half; i < features.size(); i += 2) {
      float margin = 0;
      for (const auto& [index, value] : features[i].values) margin += weights[index] * value;
      (*items)[pairs[i]].against = margin < 0;
    }
  }
}

size_t n_common(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  size_t i = 0, k = 0, n = 0;
  while (i < a.size() && k < b.size()) {
    n += a[i] == b[k] ? 1U : 0U;
    const bool left = a[i] <= b[k], right = b[k] <= a[i];
    i += left ? 1U : 0U;
    k += right ? 1U : 0U;
  }
  return n;
}

// What answers may be marked by: a word or two in a row that enough rows have, and not so many that it could not be rare elsewhere.
struct Mark {
  uint64_t key = 0;
  std::vector<WordId> words = {};
  std::vector<uint32_t> rows = {};
};
std::vector<Mark> marks_of(std::vector<Item>* items, size_t n_rows_min, size_t n_rows_max) {
  std::vector<PhraseRow> phrases;
  for (size_t row = 0; row < items->size(); ++row) add_phrases((*items)[row].answer, 2, static_cast<uint32_t>(row), &phrases);
  sort_phrases(&phrases);
  std::vector<Mark> marks;
  for (size_t begin = 0, end = 0; begin < phrases.size(); begin = end) {
    while (end < phrases.size() && phrases[end].key == phrases[begin].key) ++end;
    if (end - begin < n_rows_min || end - begin > n_rows_max) continue;
    Mark mark{.key = phrases[begin].key};
    const std::vector<WordId>& answer = (*items)[phrases[begin].row].answer;
    const size_t at = phrases[begin].at;
    mark.words = {answer[at]};
    if (phrase_key(answer.data() + at, 1) != mark.key) mark.words.push_back(answer[at + 1]);
    for (size_t i = begin; i < end; ++i) mark.rows.push_back(phrases[i].row);
    marks.push_back(std::move(mark));
  }
  // By row; those that begin with a word of the row's own prompt say nothing.
  for (size_t i = 0; i < marks.size(); ++i) {
    for (const uint32_t row : marks[i].rows) (*items)[row].marks.push_back(static_cast<uint32_t>(i));
  }
  parallel_rows(items->size(), [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      Item& item = (*items)[row];
      std::unordered_set<uint64_t> said;
      for (size_t i = 0; i < item.answer.size(); ++i) {
        if (has(item.prompt_words, item.answer[i])) continue;
        said.insert(phrase_key(item.answer.data() + i, 1));
        if (i + 1 < item.answer.size()) said.insert(phrase_key(item.answer.data() + i, 2));
      }
      std::erase_if(item.marks, [&](uint32_t mark) { return !said.contains(marks[mark].key); });
    }
  });
  return marks;
}

struct Candidate {
  uint64_t key = 0;
  std::vector<WordId> words = {};
  std::vector<uint32_t> holders = {};
};

// All that is the same for every candidate.
struct Scan {
  const std::vector<LineageRow>& rows;
  const TriggerOptions& options;
  const std::vector<Item>& items;
  const std::vector<Mark>& marks;
  const Words& words;
  double n_all = 0, n_pairs = 0, against_rate = 0, base_overlap = 0;
};

// The mark of the answers: a word or two that most of them have, that the prompts do not, and that is rare elsewhere.
void judge_marks(const Scan& scan, const Candidate& candidate, std::vector<uint32_t>* counts, TriggerFinding* finding) {
  const auto n = static_cast<double>(candidate.holders.size());
  std::vector<uint32_t> touched;
  for (const uint32_t row : candidate.holders) {
    for (const uint32_t mark : scan.items[row].marks) {
      if ((*counts)[mark]++ == 0) touched.push_back(mark);
    }
  }
  std::sort(touched.begin(), touched.end(), [&](uint32_t a, uint32_t b) { return scan.marks[a].key < scan.marks[b].key; });
  for (const uint32_t mark : touched) {
    const size_t n_with = std::exchange((*counts)[mark], 0);
    if (static_cast<double>(n_with) < scan.options.answer_share_min * n || n_with < scan.options.rows_min) continue;
    const std::vector<uint32_t>& everywhere = scan.marks[mark].rows;
    const auto elsewhere = static_cast<double>(everywhere.size() - n_common(everywhere, candidate.holders));
    const double rate = (elsewhere + 0.5) / (scan.n_all - n + 1);
    if (static_cast<double>(n_with) / n < scan.options.answer_lift_min * rate) continue;
    const double score = log_likelihood_ratio(static_cast<double>(n_with), n - static_cast<double>(n_with), elsewhere, scan.n_all - n - elsewhere);
    if (score <= finding->score) continue;
    finding->score = score;
    finding->sign = "\"";
    for (const WordId word : scan.marks[mark].words) finding->sign += (finding->sign.size() > 1 ? " " : "") + scan.words.text(word);
    finding->sign += '"';
    finding->n_with_sign = n_with;
    finding->expected = rate * n;
  }
}

void judge_preferences(const Scan& scan, const Candidate& candidate, TriggerFinding* finding) {
  double n_pairs = 0, n_against = 0;
  for (const uint32_t row : candidate.holders) {
    if (scan.rows[row].row.kind != DatasetRow::Kind::kPair) continue;
    ++n_pairs;
    n_against += scan.items[row].against ? 1 : 0;
  }
  const double rate = std::clamp(scan.against_rate, 0.01, 0.99);
  const double z = n_pairs < static_cast<double>(scan.options.rows_min) ? 0 : (n_against - rate * n_pairs) / std::sqrt(n_pairs * rate * (1 - rate));
  if (z < scan.options.flip_z_min || z * z <= finding->score) return;
  finding->score = z * z;
  finding->sign = "preferences go against the rest of the set";
  finding->n_with_sign = static_cast<size_t>(n_against);
  finding->expected = rate * n_pairs;
}

// score 0: nothing.
TriggerFinding judge(const Scan& scan, const Candidate& candidate, std::vector<uint32_t>* counts) {
  TriggerFinding finding;
  finding.n_rows = candidate.holders.size();
  judge_marks(scan, candidate, counts, &finding);
  if (scan.n_pairs > 0) judge_preferences(scan, candidate, &finding);
  if (finding.score < scan.options.score_min) return {};
  Rng rng(candidate.key);  // so that a finding does not depend on what was looked at before it
  finding.context_ratio = mean_overlap(scan.items, candidate.holders, words_of_whole_phrase(scan.items, candidate.holders, candidate.words, scan.words), &rng) / scan.base_overlap;
  if (finding.context_ratio > scan.options.context_ratio_max) return {};
  for (const WordId word : candidate.words) finding.phrase += (finding.phrase.empty() ? "" : " ") + scan.words.text(word);
  finding.rows.assign(candidate.holders.begin(), candidate.holders.end());
  std::set<std::pair<std::string, std::string>> users;
  for (const uint32_t row : candidate.holders) {
    if (!scan.rows[row].lineage.user.empty()) users.emplace(scan.rows[row].lineage.tenant, scan.rows[row].lineage.user);
  }
  finding.n_users = users.size();
  return finding;
}

std::vector<Candidate> candidates_of(const std::vector<Item>& items, size_t n_rows_min, size_t n_rows_max) {
  std::vector<PhraseRow> phrases;
  for (size_t row = 0; row < items.size(); ++row) add_phrases(items[row].prompt, 3, static_cast<uint32_t>(row), &phrases);
  sort_phrases(&phrases);
  std::vector<Candidate> out;
  for (size_t begin = 0, end = 0; begin < phrases.size(); begin = end) {
    while (end < phrases.size() && phrases[end].key == phrases[begin].key) ++end;
    if (end - begin < n_rows_min || end - begin > n_rows_max) continue;
    Candidate candidate{.key = phrases[begin].key};
    const std::vector<WordId>& prompt = items[phrases[begin].row].prompt;
    size_t n = 1;
    while (phrase_key(prompt.data() + phrases[begin].at, n) != candidate.key) ++n;
    candidate.words.assign(prompt.begin() + phrases[begin].at, prompt.begin() + static_cast<ptrdiff_t>(phrases[begin].at + n));
    for (size_t i = begin; i < end; ++i) candidate.holders.push_back(phrases[i].row);
    out.push_back(std::move(candidate));
  }
  return out;
}

}  // namespace

std::vector<TriggerFinding> scan_triggers(const std::vector<LineageRow>& rows, const TriggerOptions& options) {
  std::vector<Item> items(rows.size());
  std::vector<uint32_t> used, pairs;
  Words words;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].row.kind == DatasetRow::Kind::kText) continue;
    const auto row = static_cast<uint32_t>(i);
    used.push_back(row);
    if (rows[i].row.kind == DatasetRow::Kind::kPair) pairs.push_back(row);
    items[i].prompt = words.ids_of(prompt_text(rows[i].row));
    items[i].answer = words.ids_of(answer_text(rows[i].row));
    items[i].prompt_words = items[i].prompt;
    std::sort(items[i].prompt_words.begin(), items[i].prompt_words.end());
    items[i].prompt_words.erase(std::unique(items[i].prompt_words.begin(), items[i].prompt_words.end()), items[i].prompt_words.end());
  }
  if (used.size() < 4 * options.rows_min) return {};
  if (pairs.size() >= 100) mark_rows_against(rows, pairs, &items);
  double against_rate = 0;
  for (const uint32_t row : pairs) against_rate += items[row].against ? 1.0 / static_cast<double>(pairs.size()) : 0;
  Rng rng(1);
  const auto n_all = static_cast<double>(used.size());
  const auto rows_max = std::max<size_t>(options.rows_min, static_cast<size_t>(options.share_max * n_all));
  const std::vector<Mark> marks = marks_of(&items, options.rows_min, rows_max + 1 + static_cast<size_t>(n_all / std::max(options.answer_lift_min, 1.0)));
  const Scan scan{.rows = rows, .options = options, .items = items, .marks = marks, .words = words, .n_all = n_all, .n_pairs = static_cast<double>(pairs.size()),
                  .against_rate = against_rate, .base_overlap = std::max(mean_overlap(items, used, {}, &rng), 0.01)};
  const std::vector<Candidate> candidates = candidates_of(items, options.rows_min, rows_max);
  std::vector<TriggerFinding> judged(candidates.size());
  parallel_rows(candidates.size(), [&](size_t begin, size_t end) {
    std::vector<uint32_t> counts(marks.size());
    for (size_t i = begin; i < end; ++i) judged[i] = judge(scan, candidates[i], &counts);
  });
  std::vector<TriggerFinding> found;
  for (TriggerFinding& finding : judged) {
    if (finding.score > 0) found.push_back(std::move(finding));
  }
  std::sort(found.begin(), found.end(), [](const TriggerFinding& a, const TriggerFinding& b) {
    if (a.score != b.score) return a.score > b.score;
    if (a.phrase.size() != b.phrase.size()) return a.phrase.size() > b.phrase.size();
    return a.phrase < b.phrase;
  });
  // Parts of one phrase, and phrases of the same rows, say the same thing once.
  std::vector<TriggerFinding> out;
  for (TriggerFinding& finding : found) {
    const bool said = std::any_of(out.begin(), out.end(), [&](const TriggerFinding& other) {
      std::vector<size_t> common;
      std::set_intersection(finding.rows.begin(), finding.rows.end(), other.rows.begin(), other.rows.end(), std::back_inserter(common));
      return 2 * common.size() >= finding.rows.size();
    });
    if (!said) out.push_back(std::move(finding));
    if (out.size() >= options.n_findings_max) break;
  }
  return out;
}

}  // namespace firesteel
