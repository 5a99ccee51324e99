#include "dataset/steps.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "digest/digest.h"
#include "dataset/language.h"
#include "dataset/near_duplicates.h"
#include "dataset/parallel.h"
#include "dataset/personal_data.h"

namespace firesteel {
namespace {

Json count_json(size_t n) { return Json(static_cast<int64_t>(n)); }

// A stable random number for (seed, key): 64 bits of SHA-256.
uint64_t draw(uint64_t seed, std::string_view key) {
  const std::string hex = sha256_hex(fmt::format("{} {}", seed, key)).substr(0, 16);
  uint64_t out = 0;
  for (const char c : hex) out = out << 4 | static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  return out;
}

// Keeps the rows whose flag is not set.
std::vector<LineageRow> without(std::vector<LineageRow> rows, const std::vector<bool>& dropped) {
  std::vector<LineageRow> out;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!dropped[i]) out.push_back(std::move(rows[i]));
  }
  return out;
}

bool repeats_itself(std::string_view text, double share_max) {
  std::unordered_map<std::string, size_t> words, lines;
  size_t n_words = 0, n_lines = 0, most_words = 0, most_lines = 0;
  for (const std::string& word : normalised_words(text, false)) {
    ++n_words;
    most_words = std::max(most_words, ++words[word]);
  }
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (end > at + 3) {
      ++n_lines;
      most_lines = std::max(most_lines, ++lines[std::string(text.substr(at, end - at))]);
    }
    at = end + 1;
  }
  return (n_words >= 20 && static_cast<double>(most_words) > share_max * static_cast<double>(n_words)) ||
         (n_lines >= 6 && static_cast<double>(most_lines) > share_max * static_cast<double>(n_lines));
}

bool holds_marker(std::string_view text) {
  static constexpr std::array<std::string_view, 8> kMarkers = {"<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|start_header_id|>", "[INST]", "<start_of_turn>", "<|image_pad|>"};
  return std::any_of(kMarkers.begin(), kMarkers.end(), [&](std::string_view marker) { return text.find(marker) != std::string_view::npos; });
}

// The largest number of rows k per source so that none has more than `share` of what is left; 0: there is none.
size_t rows_per_source(const std::vector<size_t>& sizes, size_t n_free, double share) {
  size_t high = sizes.empty() ? 0 : *std::max_element(sizes.begin(), sizes.end()), low = 0;
  const auto fits = [&](size_t k) {
    size_t total = n_free, largest = 0;
    for (const size_t size : sizes) {
      total += std::min(size, k);
      largest = std::max(largest, std::min(size, k));
    }
    return static_cast<double>(largest) <= share * static_cast<double>(total) + 1e-9;
  };
  while (low < high) {  // fits(k) is true up to some k and false beyond it: the largest source grows fastest
    const size_t middle = (low + high + 1) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

// One cap; source: the name that a row counts for, empty: none.
Status cap_by(const std::vector<LineageRow>& rows, std::vector<bool>* dropped, double share, uint64_t seed, const char* what, const std::function<std::string(const Lineage&)>& source) {
  if (share >= 1) return {};
  std::map<std::string, std::vector<size_t>> by_source;
  size_t n_free = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if ((*dropped)[i]) continue;
    const std::string name = source(rows[i].lineage);
    if (name.empty()) {
      ++n_free;
    } else {
      by_source[name].push_back(i);
    }
  }
  if (by_source.empty()) return {};
  std::vector<size_t> sizes;
  for (const auto& [name, list] : by_source) sizes.push_back(list.size());
  const size_t k = rows_per_source(sizes, n_free, share);
  if (k == 0) {
    return Error{ErrorCode::kFailedPrecondition, fmt::format("{} {}s cannot each stay within {:.3g} % of the set; with these rows the least share is {:.3g} %", by_source.size(), what, share * 100,
                                                             100.0 / static_cast<double>(by_source.size() + n_free))};
  }
  for (auto& [name, list] : by_source) {
    if (list.size() <= k) continue;
    std::sort(list.begin(), list.end(), [&](size_t a, size_t b) {
      const uint64_t x = draw(seed, rows[a].lineage.id), y = draw(seed, rows[b].lineage.id);
      return x != y ? x < y : a < b;
    });
    for (size_t i = k; i < list.size(); ++i) (*dropped)[list[i]] = true;
  }
  return {};
}

}  // namespace

StepResult scrub_rows(std::vector<LineageRow> rows, const std::vector<std::string>& names) {
  const PersonalDataFinder finder(names);
  std::array<std::atomic<uint64_t>, kPersonalKinds> counts{};
  std::atomic<size_t> n_rows = 0;
  parallel_rows(rows.size(), [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      Scrubber scrubber(finder);
      for_each_text(&rows[row].row, [&](std::string* text) { *text = scrubber.scrub(*text); });
      bool any = false;
      for (size_t i = 0; i < kPersonalKinds; ++i) {
        counts[i] += scrubber.counts()[i];
        any = any || scrubber.counts()[i] > 0;
      }
      n_rows += any ? 1 : 0;
    }
  });
  Json found{Json::Object{}};
  for (size_t i = 0; i < kPersonalKinds; ++i) found.set(personal_kind_name(static_cast<PersonalKind>(i)), count_json(counts[i]));
  StepResult out;
  out.rows = std::move(rows);
  out.step = {"scrub", Json::Object{{"names", count_json(names.size())}}, Json::Object{{"replaced", std::move(found)}, {"rows_changed", count_json(n_rows)}}};
  return out;
}

StepResult drop_near_duplicates(std::vector<LineageRow> rows, double threshold) {
  std::vector<std::string> texts(rows.size());
  parallel_rows(rows.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) texts[i] = joined_text(rows[i].row);
  });
  const std::vector<NearDuplicate> duplicates = find_near_duplicates(texts, threshold);
  std::vector<bool> dropped(rows.size(), false);
  size_t n_exact = 0;
  for (const NearDuplicate& duplicate : duplicates) {
    dropped[duplicate.row] = true;
    n_exact += duplicate.similarity >= 1 ? 1 : 0;
  }
  StepResult out;
  out.rows = without(std::move(rows), dropped);
  out.step = {"dedup", Json::Object{{"threshold", threshold}}, Json::Object{{"dropped", count_json(duplicates.size())}, {"of_them_equal", count_json(n_exact)}}};
  return out;
}

StepResult filter_rows(std::vector<LineageRow> rows, const FilterOptions& options) {
  std::vector<const char*> reason_of(rows.size(), nullptr);
  const auto look = [&](size_t i) {
    const std::string text = joined_text(rows[i].row), answer = answer_text(rows[i].row);
    rows[i].lineage.language = guess_language(answer);
    const std::string& language = rows[i].lineage.language;
    const bool wanted = options.languages.empty() || std::find(options.languages.begin(), options.languages.end(), language) != options.languages.end() ||
                        (language == "und" && options.keep_unknown_language);
    const char* reason = nullptr;
    if (options.chars_min > 0 && text.size() < options.chars_min) reason = "too short";
    if (options.chars_max > 0 && text.size() > options.chars_max) reason = "too long";
    if (answer.size() < options.answer_chars_min) reason = "answer too short";
    if (!wanted) reason = "language";
    if (repeats_itself(answer, options.repetition_max)) reason = "repeats itself";
    if (options.drop_markers && holds_marker(text)) reason = "control tokens in text";
    reason_of[i] = reason;
  };
  parallel_rows(rows.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) look(i);
  });
  std::map<std::string, size_t> reasons;
  std::vector<bool> dropped(rows.size(), false);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (reason_of[i] == nullptr) continue;
    dropped[i] = true;
    ++reasons[reason_of[i]];
  }
  Json report{Json::Object{}};
  size_t n = 0;
  for (const auto& [reason, count] : reasons) {
    report.set(reason, count_json(count));
    n += count;
  }
  Json::Array languages;
  for (const std::string& language : options.languages) languages.push_back(language);
  StepResult out;
  out.rows = without(std::move(rows), dropped);
  out.step = {"filter", Json::Object{{"chars_min", count_json(options.chars_min)}, {"chars_max", count_json(options.chars_max)}, {"answer_chars_min", count_json(options.answer_chars_min)},
                                     {"languages", std::move(languages)}, {"repetition_max", options.repetition_max}, {"drop_markers", options.drop_markers}},
              Json::Object{{"dropped", count_json(n)}, {"reasons", std::move(report)}}};
  return out;
}

Result<StepResult> cap_rows(std::vector<LineageRow> rows, const CapOptions& options) {
  std::vector<bool> dropped(rows.size(), false);
  // Each cap shrinks the whole, which may push the other's share up again: until both hold.
  for (size_t before = rows.size() + 1, n = rows.size(); n < before;) {
    before = n;
    FS_TRY_VOID(cap_by(rows, &dropped, options.user_share_max, options.seed, "user", [](const Lineage& lineage) { return lineage.user.empty() ? std::string() : lineage.tenant + "/" + lineage.user; }));
    FS_TRY_VOID(cap_by(rows, &dropped, options.tenant_share_max, options.seed, "tenant", [](const Lineage& lineage) { return lineage.tenant; }));
    n = static_cast<size_t>(std::count(dropped.begin(), dropped.end(), false));
  }
  const auto n_dropped = static_cast<size_t>(std::count(dropped.begin(), dropped.end(), true));
  StepResult out;
  out.rows = without(std::move(rows), dropped);
  out.step = {"cap", Json::Object{{"user_share_max", options.user_share_max}, {"tenant_share_max", options.tenant_share_max}, {"seed", static_cast<int64_t>(options.seed)}},
              Json::Object{{"dropped", count_json(n_dropped)}}};
  return out;
}

Json findings_json(const std::vector<TriggerFinding>& findings) {
  Json::Array list;
  for (const TriggerFinding& finding : findings) {
    list.push_back(Json::Object{{"phrase", finding.phrase}, {"sign", finding.sign}, {"rows", count_json(finding.n_rows)}, {"with_sign", count_json(finding.n_with_sign)},
                                {"expected", std::round(finding.expected * 100) / 100}, {"score", std::round(finding.score * 10) / 10}, {"users", count_json(finding.n_users)}});
  }
  return list;
}

StepResult drop_triggers(std::vector<LineageRow> rows, const TriggerOptions& options) {
  const std::vector<TriggerFinding> findings = scan_triggers(rows, options);
  std::vector<bool> dropped(rows.size(), false);
  for (const TriggerFinding& finding : findings) {
    for (const size_t row : finding.rows) dropped[row] = true;
  }
  const auto n = static_cast<size_t>(std::count(dropped.begin(), dropped.end(), true));
  StepResult out;
  out.rows = without(std::move(rows), dropped);
  out.step = {"triggers", Json::Object{{"rows_min", count_json(options.rows_min)}, {"share_max", options.share_max}}, Json::Object{{"dropped", count_json(n)}, {"findings", findings_json(findings)}}};
  return out;
}

StepResult decontaminate_rows(std::vector<LineageRow> rows, const ContaminationIndex& tests, double share_max) {
  enum class Found : char { kNothing, kWhole, kShared };
  std::vector<Found> found(rows.size(), Found::kNothing);
  const auto look = [&](size_t i) {
    const DatasetRow& row = rows[i].row;
    std::vector<std::string> texts;
    for (const RowMessage& message : row.messages) {
      if (message.role == "user") texts.push_back(message.content);
    }
    if (row.kind == DatasetRow::Kind::kText) texts.push_back(row.text);
    bool whole = false, shared = false;
    for (const std::string& text : texts) {
      const Overlap overlap = tests.overlap(text);
      whole = whole || overlap.whole;
      shared = shared || (overlap.n_ngrams > 1 && static_cast<double>(overlap.n_shared) >= share_max * static_cast<double>(overlap.n_ngrams));
    }
    found[i] = whole ? Found::kWhole : shared ? Found::kShared : Found::kNothing;
  };
  parallel_rows(rows.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) look(i);
  });
  std::vector<bool> dropped(rows.size(), false);
  size_t n_whole = 0, n_shared = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    dropped[i] = found[i] != Found::kNothing;
    n_whole += found[i] == Found::kWhole ? 1U : 0U;
    n_shared += found[i] == Found::kShared ? 1U : 0U;
  }
  StepResult out;
  out.rows = without(std::move(rows), dropped);
  out.step = {"decontaminate", Json::Object{{"test_texts", count_json(tests.n_texts())}, {"share_max", share_max}},
              Json::Object{{"dropped", count_json(n_whole + n_shared)}, {"whole", count_json(n_whole)}, {"shared", count_json(n_shared)}}};
  return out;
}

SplitResult split_rows(std::vector<LineageRow> rows, double test_share, uint64_t seed) {
  SplitResult out;
  const auto limit = static_cast<uint64_t>(std::clamp(test_share, 0.0, 1.0) * 0x1.0p53);
  for (LineageRow& item : rows) {
    const std::string key = item.row.kind == DatasetRow::Kind::kText ? item.lineage.source : prompt_text(item.row);
    (draw(seed, key) >> 11 < limit ? out.test : out.train).rows.push_back(std::move(item));
  }
  const Json options = Json::Object{{"test_share", test_share}, {"seed", static_cast<int64_t>(seed)}};
  out.train.step = {"split train", options, Json::Object{{"test_rows", count_json(out.test.rows.size())}}};
  out.test.step = {"split test", options, Json::Object{{"train_rows", count_json(out.train.rows.size())}}};
  return out;
}

Result<std::vector<Erased>> erase_user(const DatasetStore& store, std::string_view user, std::string_view tenant, bool dry_run, int64_t now_us) {
  if (user.empty()) return Error{ErrorCode::kInvalidArgument, "no user named"};
  std::vector<Erased> out;
  if (!dry_run) FS_TRY_VOID(store.discard_unfinished());
  FS_TRY(const std::vector<VersionInfo> versions, store.list());
  for (const VersionInfo& info : versions) {
    if (info.retired) {
      // A run that was cut short left rows behind: retire() takes them, too.
      if (!dry_run) FS_TRY_VOID(store.retire(info.ref, "erasure", "", now_us));
      continue;
    }
    FS_TRY(Dataset dataset, store.read(info.ref));
    Erased erased{info.ref, 0, {}};
    std::vector<bool> dropped(dataset.rows.size(), false);
    for (size_t i = 0; i < dataset.rows.size(); ++i) {
      const Lineage& lineage = dataset.rows[i].lineage;
      dropped[i] = lineage.user == user && (tenant.empty() || lineage.tenant == tenant);
      erased.n_rows += dropped[i] ? 1u : 0u;
    }
    if (erased.n_rows == 0) continue;
    if (!dry_run) {
      std::vector<LineageRow> rest = without(std::move(dataset.rows), dropped);
      if (info.is_head && !rest.empty()) {
        const DatasetStore::Step step{"erase", Json::Object{}, Json::Object{{"dropped", count_json(erased.n_rows)}}};
        FS_TRY(const VersionRef successor, store.publish(info.ref.name, rest, dataset.card, step, now_us));
        erased.replaced_by = successor.digest;
      }
      FS_TRY_VOID(store.retire(info.ref, "erasure", erased.replaced_by, now_us));
    }
    out.push_back(std::move(erased));
  }
  return out;
}

}  // namespace firesteel
