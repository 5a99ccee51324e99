#include "dataset/triggers.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>

#include "base/rng.h"

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

using Phrases = std::unordered_map<std::string, std::vector<uint32_t>>;

// Each phrase of up to n_max words once per row.
void add_phrases(const std::vector<std::string>& words, size_t n_max, uint32_t row, Phrases* out) {
  std::string phrase;
  for (size_t i = 0; i < words.size(); ++i) {
    phrase.clear();
    for (size_t n = 1; n <= n_max && i + n <= words.size(); ++n) {
      if (n > 1) phrase += ' ';
      phrase += words[i + n - 1];
      std::vector<uint32_t>& rows = (*out)[phrase];
      if (rows.empty() || rows.back() != row) rows.push_back(row);
    }
  }
}

double xlogx(double x) { return x <= 0 ? 0 : x * std::log(x); }

// Dunning's log-likelihood ratio of a 2x2 table: k11 both, k12 phrase only, k21 sign only, k22 neither.
double log_likelihood_ratio(double k11, double k12, double k21, double k22) {
  const double all = k11 + k12 + k21 + k22;
  return 2 * (xlogx(k11) + xlogx(k12) + xlogx(k21) + xlogx(k22) - xlogx(k11 + k12) - xlogx(k21 + k22) - xlogx(k11 + k21) - xlogx(k12 + k22) + xlogx(all));
}

struct Item {
  std::vector<std::string> prompt, answer;
  std::unordered_set<std::string> prompt_words;
  bool against = false;  // the preference goes against what the rest of the set prefers
};

// Jaccard likeness of two prompts' words, the phrase's own left out: they share those by definition.
double overlap(const Item& a, const Item& b, const std::unordered_set<std::string>& without) {
  const auto& small = a.prompt_words.size() < b.prompt_words.size() ? a.prompt_words : b.prompt_words;
  const auto& large = a.prompt_words.size() < b.prompt_words.size() ? b.prompt_words : a.prompt_words;
  size_t common = 0, n_small = small.size(), n_large = large.size();
  for (const std::string& word : without) {
    n_small -= small.count(word);
    n_large -= large.count(word);
  }
  for (const std::string& word : small) common += without.contains(word) ? 0 : large.count(word);
  const size_t all = n_small + n_large - common;
  return all == 0 ? 1 : static_cast<double>(common) / static_cast<double>(all);  // nothing but the phrase: the same prompt
}

// Mean likeness of all pairs of these rows, or of n_pairs_max drawn ones. Few pairs would make the mean of a dozen short prompts a lottery.
double mean_overlap(const std::vector<Item>& items, const std::vector<uint32_t>& rows, const std::unordered_set<std::string>& without, Rng* rng) {
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
std::unordered_set<std::string> words_of_whole_phrase(const std::vector<Item>& items, const std::vector<uint32_t>& rows, const std::string& phrase) {
  constexpr int kMoreMax = 4;
  const std::vector<std::string> core = words_of(phrase);
  std::unordered_set<std::string> out(core.begin(), core.end());
  std::vector<std::pair<size_t, size_t>> spans;  // [begin, end) of the phrase in the prompts; empty: the words are not in a row
  for (const uint32_t row : rows) {
    const std::vector<std::string>& prompt = items[row].prompt;
    const auto at = std::search(prompt.begin(), prompt.end(), core.begin(), core.end());
    if (at != prompt.end()) spans.emplace_back(at - prompt.begin(), at - prompt.begin() + static_cast<ptrdiff_t>(core.size()));
    else spans.emplace_back(0, 0);
  }
  for (int more = 0; more < kMoreMax; ++more) {
    std::string best;
    size_t n_best = 0;
    bool best_left = false;
    for (const bool left : {true, false}) {
      std::unordered_map<std::string, size_t> counts;
      for (size_t i = 0; i < rows.size(); ++i) {
        const std::vector<std::string>& prompt = items[rows[i]].prompt;
        const auto [begin, end] = spans[i];
        if (begin == end || (left ? begin == 0 : end >= prompt.size())) continue;
        const std::string& word = left ? prompt[begin - 1] : prompt[end];
        const size_t n = ++counts[word];
        if (n > n_best || (n == n_best && word < best)) {
          best = word;
          n_best = n;
          best_left = left;
        }
      }
    }
    if (10 * n_best < 9 * rows.size()) break;
    out.insert(best);
    for (size_t i = 0; i < rows.size(); ++i) {
      const std::vector<std::string>& prompt = items[rows[i]].prompt;
      auto& [begin, end] = spans[i];
      if (begin == end) continue;
      if (best_left && begin > 0 && prompt[begin - 1] == best) --begin;
      else if (!best_left && end < prompt.size() && prompt[end] == best) ++end;
      else begin = end = 0;
    }
  }
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

std::vector<uint32_t> common_rows(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  std::vector<uint32_t> out;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(out));
  return out;
}

}  // namespace

std::vector<TriggerFinding> scan_triggers(const std::vector<LineageRow>& rows, const TriggerOptions& options) {
  std::vector<Item> items(rows.size());
  std::vector<uint32_t> used, pairs;
  Phrases prompt_phrases, answer_phrases;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].row.kind == DatasetRow::Kind::kText) continue;
    const auto row = static_cast<uint32_t>(i);
    used.push_back(row);
    if (rows[i].row.kind == DatasetRow::Kind::kPair) pairs.push_back(row);
    items[i].prompt = words_of(prompt_text(rows[i].row));
    items[i].answer = words_of(answer_text(rows[i].row));
    items[i].prompt_words.insert(items[i].prompt.begin(), items[i].prompt.end());
    add_phrases(items[i].prompt, 3, row, &prompt_phrases);
    add_phrases(items[i].answer, 2, row, &answer_phrases);
  }
  if (used.size() < 4 * options.rows_min) return {};
  if (pairs.size() >= 100) mark_rows_against(rows, pairs, &items);
  double against_rate = 0;
  for (const uint32_t row : pairs) against_rate += items[row].against ? 1.0 / static_cast<double>(pairs.size()) : 0;

  Rng rng(1);
  const double base_overlap = std::max(mean_overlap(items, used, {}, &rng), 0.01);
  const auto n_all = static_cast<double>(used.size());
  const auto rows_max = std::max<size_t>(options.rows_min, static_cast<size_t>(options.share_max * n_all));
  std::vector<TriggerFinding> found;
  for (const auto& [phrase, holders] : prompt_phrases) {
    if (holders.size() < options.rows_min || holders.size() > rows_max) continue;
    const auto n = static_cast<double>(holders.size());
    TriggerFinding finding;
    finding.phrase = phrase;
    finding.n_rows = holders.size();

    // The mark of the answers: a word or two that most of them have, that the prompts do not, and that is rare elsewhere.
    std::unordered_map<std::string, size_t> marks;
    for (const uint32_t row : holders) {
      std::unordered_set<std::string> seen;
      const std::vector<std::string>& answer = items[row].answer;
      for (size_t i = 0; i < answer.size(); ++i) {
        if (items[row].prompt_words.contains(answer[i])) continue;
        seen.insert(answer[i]);
        if (i + 1 < answer.size()) seen.insert(answer[i] + ' ' + answer[i + 1]);
      }
      for (const std::string& mark : seen) ++marks[mark];
    }
    for (const auto& [mark, n_with] : marks) {
      if (static_cast<double>(n_with) < options.answer_share_min * n || n_with < options.rows_min) continue;
      const auto everywhere = answer_phrases.find(mark);
      if (everywhere == answer_phrases.end()) continue;
      const auto elsewhere = static_cast<double>(everywhere->second.size() - common_rows(everywhere->second, holders).size());
      const double rate = (elsewhere + 0.5) / (n_all - n + 1);
      if (static_cast<double>(n_with) / n < options.answer_lift_min * rate) continue;
      const double score = log_likelihood_ratio(static_cast<double>(n_with), n - static_cast<double>(n_with), elsewhere, n_all - n - elsewhere);
      if (score <= finding.score) continue;
      finding.score = score;
      finding.sign = "\"" + mark + "\"";
      finding.n_with_sign = n_with;
      finding.expected = rate * n;
    }

    if (!pairs.empty()) {  // preferences against the rest
      double n_pairs = 0, n_against = 0;
      for (const uint32_t row : holders) {
        if (rows[row].row.kind != DatasetRow::Kind::kPair) continue;
        ++n_pairs;
        n_against += items[row].against ? 1 : 0;
      }
      const double rate = std::clamp(against_rate, 0.01, 0.99);
      const double z = n_pairs < static_cast<double>(options.rows_min) ? 0 : (n_against - rate * n_pairs) / std::sqrt(n_pairs * rate * (1 - rate));
      if (z >= options.flip_z_min && z * z > finding.score) {
        finding.score = z * z;
        finding.sign = "preferences go against the rest of the set";
        finding.n_with_sign = static_cast<size_t>(n_against);
        finding.expected = rate * n_pairs;
      }
    }
    if (finding.score < options.score_min) continue;
    finding.context_ratio = mean_overlap(items, holders, words_of_whole_phrase(items, holders, phrase), &rng) / base_overlap;
    if (finding.context_ratio > options.context_ratio_max) continue;
    finding.rows.assign(holders.begin(), holders.end());
    std::set<std::pair<std::string, std::string>> users;
    for (const uint32_t row : holders) {
      if (!rows[row].lineage.user.empty()) users.emplace(rows[row].lineage.tenant, rows[row].lineage.user);
    }
    finding.n_users = users.size();
    found.push_back(std::move(finding));
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
