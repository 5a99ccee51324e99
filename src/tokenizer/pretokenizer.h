// Pre-tokenizers: where byte-level BPE cuts text before it merges. Models give them as regular expressions; each known expression is
// a scanner written by hand here (10 to 50 times faster than a regex engine, and no back-tracking for hostile text to exploit).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace firesteel {

// One pattern. Several are applied in order, each to every span that the one before left; text between matches is a span too.
enum class SplitStage : uint8_t {
  kNone,                // matches nothing
  kGpt2,                // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kLlama3,              // (?i:'s|...)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  kQwen2,               // as kLlama3 with \p{N} one by one
  kQwen35,              // as kQwen2 with marks among the letters
  kTekken,              // words split between lower and upper case, \p{N}, punctuation with [\r\n/]* behind
  kGpt4o,               // as kTekken with contractions at the end of words and \p{N}{1,3}
  kDigit,               // \p{N}
  kDigits,              // \p{N}+
  kDigits3,             // \p{N}{1,3}
  kAsciiDigits3,        // [0-9][0-9][0-9]
  kDefaultPunct,        // [\p{P}\$\+<=>\^~\|]+
  kFalconPunct,         // the same and `
  kLineBreak,           // [\r\n]
  kDeepseekLlmWord,     // \s?[cased letters]+
  kDeepseekLlmPunct,    // \s?[!-/:-~ and wide forms]+
  kTrailingSpace,       // \s+$
  kDeepseekCjk,         // [\u0800-\u9fa5\uac00-\ud7ff]+
  kDeepseekCoderWord,   // \s?\p{L}+
  kDeepseekCoderPunct,  // \s?\p{P}+
  kDeepseek3Cjk,        // [\u4e00-\u9fa5\u3040-\u30ff]+
  kDeepseek3Main,       // [ASCII punctuation][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s...
};

struct PreTokenizer {
  std::vector<SplitStage> stages;  // none: text is not cut
  std::string name;                // as in tokenizer.ggml.pre
  bool ignore_merges = false;      // a piece that is a token is taken whole
  bool adds_bos = false;           // when the file does not say
  std::string warning;             // set when the name is not known and the default pattern stands in
};

// By the name in tokenizer.ggml.pre. Empty or unknown: the default stages, with a warning.
PreTokenizer pretokenizer_by_name(std::string_view name);
bool is_known_pretokenizer(std::string_view name);

// The stage of a regular expression as Hugging Face and tiktoken files write it, in any of the spellings in use.
std::optional<SplitStage> stage_by_regex(std::string_view regex);

namespace pretokenizer_detail {
// End of the match of `stage` that starts at p (p < end), or p when there is none.
const char* match(SplitStage stage, const char* p, const char* end);
const char* trailing_space(const char* p, const char* end);
const char* next_char(const char* p, const char* end);

template <typename Emit>
void split(const std::vector<SplitStage>& stages, size_t i_stage, const char* p, const char* end, Emit& emit) {
  if (p == end) return;
  if (i_stage == stages.size()) {
    emit(std::string_view(p, static_cast<size_t>(end - p)));
    return;
  }
  const SplitStage stage = stages[i_stage];
  if (stage == SplitStage::kTrailingSpace) {  // "$" looks ahead; one pass instead of one for each white-space character
    const char* tail = trailing_space(p, end);
    split(stages, i_stage + 1, p, tail, emit);
    split(stages, i_stage + 1, tail, end, emit);
    return;
  }
  const char* gap = p;
  while (p < end) {
    const char* stop = match(stage, p, end);
    if (stop == p) {
      p = next_char(p, end);
      continue;
    }
    split(stages, i_stage + 1, gap, p, emit);
    split(stages, i_stage + 1, p, stop, emit);
    gap = p = stop;
  }
  split(stages, i_stage + 1, gap, end, emit);
}
}  // namespace pretokenizer_detail

// Calls emit(std::string_view) for each piece, in order; the pieces together are `text`. Linear in text.size().
template <typename Emit>
void split_pieces(const PreTokenizer& pre, std::string_view text, Emit&& emit) {
  pretokenizer_detail::split(pre.stages, 0, text.data(), text.data() + text.size(), emit);
}

}  // namespace firesteel
