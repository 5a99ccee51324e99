#include "tokenizer/pretokenizer.h"

#include <algorithm>
#include <array>

#include "tokenizer/char_class.h"

namespace firesteel {
namespace {

const char* skip_while(const char* p, const char* end, CharClass mask) {
  while (p < end) {
    const ClassedChar c = read_char(p, end);
    if ((c.cls & mask) == 0) break;
    p += c.n_bytes;
  }
  return p;
}

const char* skip_while_not(const char* p, const char* end, CharClass mask) {
  while (p < end) {
    const ClassedChar c = read_char(p, end);
    if ((c.cls & mask) != 0) break;
    p += c.n_bytes;
  }
  return p;
}

const char* skip_at_most(const char* p, const char* end, CharClass mask, int n_max) {
  for (int i = 0; i < n_max && p < end; ++i) {
    const ClassedChar c = read_char(p, end);
    if ((c.cls & mask) == 0) break;
    p += c.n_bytes;
  }
  return p;
}

const char* skip_ascii(const char* p, const char* end, std::string_view set) {
  while (p < end && set.find(*p) != std::string_view::npos) ++p;
  return p;
}

CharClass class_at(const char* p, const char* end) { return p < end ? read_char(p, end).cls : CharClass{0}; }

// 's 't 're 've 'm 'll 'd at p; p when there is none.
const char* contraction(const char* p, const char* end, bool any_case) {
  if (end - p < 2 || *p != '\'') return p;
  const auto lower = [&](char c) { return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  const char a = lower(p[1]);
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return p + 2;
  if (end - p < 3) return p;
  const char b = lower(p[2]);
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return p + 3;
  // U+017F, the long s, folds to s; the reference engines' (?i:) knows.
  if (any_case && p[1] == '\xC5' && p[2] == '\xBF') return p + 3;
  return p;
}

// p stands on white space. \s*[\r\n]+ (if newlines) | \s+(?!\S) | \s+
const char* match_space(const char* p, const char* end, bool newlines) {
  const char* q = p;
  const char* last = p;        // start of the last character of the run
  const char* after_nl = nullptr;
  while (q < end) {
    const ClassedChar c = read_char(q, end);
    if ((c.cls & kSpace) == 0) break;
    last = q;
    q += c.n_bytes;
    if ((c.cls & kNewline) != 0) after_nl = q;
  }
  if (newlines && after_nl != nullptr) return after_nl;
  if (q == end || last == p) return q;
  return last;  // the last one belongs to the word behind it
}

const char* match_gpt2(const char* p, const char* end) {
  if (*p == '\'') {
    if (const char* stop = contraction(p, end, false); stop != p) return stop;
  }
  const ClassedChar c = read_char(p, end);
  const char* word = p;
  CharClass cls = c.cls;
  if (*p == ' ') {
    word = p + 1;
    cls = class_at(word, end);
    if (word == end || (cls & kSpace) != 0) return match_space(p, end, false);
  } else if ((cls & kSpace) != 0) {
    return match_space(p, end, false);
  }
  if ((cls & kLetter) != 0) return skip_while(word, end, kLetter);
  if ((cls & kNumber) != 0) return skip_while(word, end, kNumber);
  return skip_while_not(word, end, kSpace | kLetter | kNumber);
}

// letters: what makes a word. Of a word's optional first character, marks may be part or not: the run is the same.
const char* match_llama3(const char* p, const char* end, CharClass letters, int max_digits) {
  if (*p == '\'') {
    if (const char* stop = contraction(p, end, true); stop != p) return stop;
  }
  const ClassedChar c = read_char(p, end);
  if ((c.cls & letters) != 0) return skip_while(p + c.n_bytes, end, letters);
  if ((c.cls & kNumber) != 0) return skip_at_most(p, end, kNumber, max_digits);
  const char* next = p + c.n_bytes;
  const CharClass next_cls = class_at(next, end);
  if ((c.cls & kNewline) == 0 && (next_cls & letters) != 0) return skip_while(next, end, letters);
  const auto is_other = [&](CharClass cls) { return (cls & (kSpace | kNumber | letters)) == 0; };
  if (is_other(c.cls) || (*p == ' ' && next < end && is_other(next_cls))) {
    return skip_ascii(skip_while_not(next, end, static_cast<CharClass>(kSpace | kNumber | letters)), end, "\r\n");
  }
  return match_space(p, end, true);
}

// [Lu Lt Lm Lo M]*[Ll Lm Lo M]+ at p, nullptr when there is no match. The first set is greedy and gives characters back to the
// second, which then gets exactly one of them: the last of the run that both sets contain.
const char* upper_then_lower(const char* p, const char* end) {
  const char* q = p;
  const char* after_both = nullptr;
  while (q < end) {
    const ClassedChar c = read_char(q, end);
    if ((c.cls & kUpperSet) == 0) {
      if ((c.cls & kLowerSet) != 0) return skip_while(q, end, kLowerSet);
      break;
    }
    q += c.n_bytes;
    if ((c.cls & kLowerSet) != 0) after_both = q;
  }
  return after_both;
}

// The two word alternatives of tekken and gpt-4o; p when neither matches.
const char* match_cased_word(const char* p, const char* end) {
  const ClassedChar c = read_char(p, end);
  const bool may_lead = (c.cls & (kNewline | kLetter | kNumber)) == 0;
  const bool in_word = (c.cls & (kUpperSet | kLowerSet)) != 0;
  const char* next = p + c.n_bytes;
  if (may_lead) {
    if (const char* stop = upper_then_lower(next, end)) return stop;
  }
  if (in_word) {
    if (const char* stop = upper_then_lower(p, end)) return stop;
  }
  if (may_lead) {
    if (const char* stop = skip_while(next, end, kUpperSet); stop != next) return skip_while(stop, end, kLowerSet);
  }
  if (in_word) {
    if (const char* stop = skip_while(p, end, kUpperSet); stop != p) return skip_while(stop, end, kLowerSet);
  }
  return p;
}

const char* match_tekken(const char* p, const char* end, bool contractions, int max_digits) {
  if (const char* stop = match_cased_word(p, end); stop != p) return contractions ? contraction(stop, end, true) : stop;
  const ClassedChar c = read_char(p, end);
  if ((c.cls & kNumber) != 0) return skip_at_most(p, end, kNumber, max_digits);
  const char* next = p + c.n_bytes;
  const auto is_other = [](CharClass cls) { return (cls & (kSpace | kLetter | kNumber)) == 0; };
  if (is_other(c.cls) || (*p == ' ' && next < end && is_other(class_at(next, end)))) {
    return skip_ascii(skip_while_not(next, end, kSpace | kLetter | kNumber), end, "\r\n/");
  }
  return match_space(p, end, true);
}

const char* match_deepseek3(const char* p, const char* end) {
  const ClassedChar c = read_char(p, end);
  const char* next = p + c.n_bytes;
  const auto is_ascii_letter = [](char ch) { return (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z'); };
  if (c.code_point < 0x80 && (c.cls & (kPunct | kSymbol)) != 0 && next < end && is_ascii_letter(*next)) {
    while (next < end && is_ascii_letter(*next)) ++next;
    return next;
  }
  if ((c.cls & (kLetter | kMark)) != 0) return skip_while(next, end, kLetter | kMark);
  const CharClass next_cls = class_at(next, end);
  if ((c.cls & (kNewline | kPunct | kSymbol)) == 0 && (next_cls & (kLetter | kMark)) != 0) {
    return skip_while(next, end, kLetter | kMark);
  }
  if ((c.cls & (kPunct | kSymbol)) != 0 || (*p == ' ' && (next_cls & (kPunct | kSymbol)) != 0)) {
    return skip_ascii(skip_while(next, end, kPunct | kSymbol), end, "\r\n");
  }
  return (c.cls & kSpace) != 0 ? match_space(p, end, true) : p;
}

struct CodeRange {
  uint32_t first;
  uint32_t last;
};

// The letters that deepseek-llm's pattern lists: cased letters of Unicode as its authors had it, not \p{L}.
constexpr std::array<CodeRange, 87> kDeepseekLetters = {{
    {0x41, 0x5A},       {0x61, 0x7A},       {0xB5, 0xB5},       {0xC0, 0xD6},       {0xD8, 0xF6},       {0xF8, 0x1BA},
    {0x1BC, 0x1BF},     {0x1C4, 0x293},     {0x295, 0x2AF},     {0x370, 0x373},     {0x376, 0x376},     {0x377, 0x377},
    {0x37B, 0x37D},     {0x37F, 0x37F},     {0x386, 0x386},     {0x388, 0x38A},     {0x38C, 0x38C},     {0x38E, 0x3A1},
    {0x3A3, 0x3F5},     {0x3F7, 0x481},     {0x48A, 0x52F},     {0x531, 0x556},     {0x10A0, 0x10C5},   {0x13A0, 0x13F5},
    {0x13F8, 0x13FD},   {0x1C90, 0x1CBA},   {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},   {0x1D6B, 0x1D77},   {0x1D79, 0x1D9A},
    {0x1E00, 0x1F15},   {0x1F18, 0x1F1D},   {0x1F20, 0x1F45},   {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},
    {0x1F5B, 0x1F5B},   {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},   {0x1FB6, 0x1FBC},   {0x1FBE, 0x1FBE},
    {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},   {0x1FD0, 0x1FD3},   {0x1FD6, 0x1FDB},   {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},
    {0x1FF6, 0x1FFC},   {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210A, 0x2113},   {0x2115, 0x2115},   {0x2119, 0x211D},
    {0x2124, 0x2124},   {0x2126, 0x2126},   {0x2128, 0x2128},   {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},
    {0x213C, 0x213F},   {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2183},   {0x2184, 0x2184},   {0x2C00, 0x2C7B},
    {0x2C7E, 0x2CE4},   {0x2CEB, 0x2CEE},   {0x2CF2, 0x2CF2},   {0x2CF3, 0x2CF3},   {0xA640, 0xA66D},   {0xA680, 0xA69B},
    {0xA722, 0xA76F},   {0xA771, 0xA787},   {0xA78B, 0xA78E},   {0xAB70, 0xABBF},   {0xFB00, 0xFB06},   {0xFB13, 0xFB17},
    {0xFF21, 0xFF3A},   {0xFF41, 0xFF5A},   {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB}, {0x10C80, 0x10CB2},
    {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943},
}};

bool is_deepseek_letter(const ClassedChar& c) {
  if (c.code_point < 0x80) return (c.cls & kLetter) != 0;
  const auto* range = std::upper_bound(kDeepseekLetters.begin(), kDeepseekLetters.end(), c.code_point,
                                       [](uint32_t code, const CodeRange& r) { return code < r.first; });
  return range != kDeepseekLetters.begin() && c.code_point <= (range - 1)->last;
}

bool in_range(uint32_t code, uint32_t first, uint32_t last) { return code >= first && code <= last; }

bool is_deepseek_punct(const ClassedChar& c) {
  const uint32_t x = c.code_point;
  return in_range(x, 0x21, 0x2F) || in_range(x, 0x3A, 0x7E) || in_range(x, 0xFF01, 0xFF0F) || in_range(x, 0xFF1A, 0xFF5E) ||
         in_range(x, 0x2018, 0x201F) || in_range(x, 0x3000, 0x3002);
}

bool is_deepseek_cjk(const ClassedChar& c) { return in_range(c.code_point, 0x800, 0x9FA5) || in_range(c.code_point, 0xAC00, 0xD7FF); }

bool is_deepseek3_cjk(const ClassedChar& c) {
  return in_range(c.code_point, 0x4E00, 0x9FA5) || in_range(c.code_point, 0x3040, 0x30FF);
}

bool is_default_punct(const ClassedChar& c) {
  return (c.cls & kPunct) != 0 || (c.code_point < 0x80 && (c.cls & kSymbol) != 0 && c.code_point != '`');
}

bool is_falcon_punct(const ClassedChar& c) { return (c.cls & kPunct) != 0 || (c.code_point < 0x80 && (c.cls & kSymbol) != 0); }

// \s?X+ (lead_space) or X+.
template <typename Pred>
const char* match_run(const char* p, const char* end, bool lead_space, Pred in_set) {
  const char* q = p;
  ClassedChar c = read_char(q, end);
  if (lead_space && !in_set(c) && (c.cls & kSpace) != 0) {
    q += c.n_bytes;
    if (q == end) return p;
    c = read_char(q, end);
  }
  if (!in_set(c)) return p;
  do {
    q += c.n_bytes;
    if (q == end) break;
    c = read_char(q, end);
  } while (in_set(c));
  return q;
}

}  // namespace

namespace pretokenizer_detail {

const char* match(SplitStage stage, const char* p, const char* end) {
  const auto has = [](CharClass mask) { return [mask](const ClassedChar& c) { return (c.cls & mask) != 0; }; };
  switch (stage) {
    case SplitStage::kNone: return p;
    case SplitStage::kGpt2: return match_gpt2(p, end);
    case SplitStage::kLlama3: return match_llama3(p, end, kLetter, 3);
    case SplitStage::kQwen2: return match_llama3(p, end, kLetter, 1);
    case SplitStage::kQwen35: return match_llama3(p, end, kLetter | kMark, 1);
    case SplitStage::kTekken: return match_tekken(p, end, false, 1);
    case SplitStage::kGpt4o: return match_tekken(p, end, true, 3);
    case SplitStage::kDigit: return skip_at_most(p, end, kNumber, 1);
    case SplitStage::kDigits: return skip_while(p, end, kNumber);
    case SplitStage::kDigits3: return skip_at_most(p, end, kNumber, 3);
    case SplitStage::kAsciiDigits3: {
      const auto digit = [&](int i) { return p[i] >= '0' && p[i] <= '9'; };
      return end - p >= 3 && digit(0) && digit(1) && digit(2) ? p + 3 : p;
    }
    case SplitStage::kDefaultPunct: return match_run(p, end, false, is_default_punct);
    case SplitStage::kFalconPunct: return match_run(p, end, false, is_falcon_punct);
    case SplitStage::kLineBreak: return *p == '\r' || *p == '\n' ? p + 1 : p;
    case SplitStage::kDeepseekLlmWord: return match_run(p, end, true, is_deepseek_letter);
    case SplitStage::kDeepseekLlmPunct: return match_run(p, end, true, is_deepseek_punct);
    case SplitStage::kTrailingSpace: return p;  // split() asks trailing_space
    case SplitStage::kDeepseekCjk: return match_run(p, end, false, is_deepseek_cjk);
    case SplitStage::kDeepseekCoderWord: return match_run(p, end, true, has(kLetter));
    case SplitStage::kDeepseekCoderPunct: return match_run(p, end, true, has(kPunct));
    case SplitStage::kDeepseek3Cjk: return match_run(p, end, false, is_deepseek3_cjk);
    case SplitStage::kDeepseek3Main: return match_deepseek3(p, end);
  }
  return p;
}

const char* trailing_space(const char* p, const char* end) {
  const char* tail = p;
  while (p < end) {
    const ClassedChar c = read_char(p, end);
    p += c.n_bytes;
    if ((c.cls & kSpace) == 0) tail = p;
  }
  return tail;
}

const char* next_char(const char* p, const char* end) { return p + read_char(p, end).n_bytes; }

}  // namespace pretokenizer_detail

namespace {

struct NamedFamily {
  std::string_view names;  // separated by spaces
  SplitStage stages[6];    // the rest is kNone
  bool ignore_merges;
  bool adds_bos;
};

// Names and rules of llama.cpp's tokenizer.ggml.pre.
const NamedFamily* find_family(std::string_view name) {
  using S = SplitStage;
  static const NamedFamily kFamilies[] = {
      {"llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2", {S::kLlama3}, true, true},
      {"smaug-bpe dbrx chatglm-bpe glm4 cl100k", {S::kLlama3}, false, false},
      {"qwen2 deepseek-r1-qwen megrez stablelm2 hunyuan", {S::kQwen2}, false, false},
      {"qwen35", {S::kQwen35}, false, false},
      {"gpt-2 gpt2 phi-2 mpt olmo jais gigachat jina-es jina-de jina-v2-es jina-v2-de jina-v2-code r50k", {S::kGpt2}, false, false},
      {"roberta-bpe", {S::kGpt2}, false, true},
      {"smollm starcoder refact command-r exaone codeshell minerva-7b", {S::kDigit, S::kGpt2}, false, false},
      {"tekken", {S::kTekken}, true, true},
      {"gpt-4o llama4 kanana2 o200k", {S::kGpt4o}, false, false},
      {"deepseek-llm",
       {S::kLineBreak, S::kDeepseekLlmWord, S::kDeepseekLlmPunct, S::kTrailingSpace, S::kDeepseekCjk, S::kDigits},
       false, false},
      {"deepseek-coder",
       {S::kLineBreak, S::kDeepseekCoderWord, S::kDeepseekCoderPunct, S::kDeepseekCjk, S::kDigit},
       false, false},
      {"deepseek-v3 hunyuan-dense", {S::kDigits3, S::kDeepseek3Cjk, S::kDeepseek3Main}, false, false},
      {"youtu", {S::kDigits3, S::kDeepseek3Cjk, S::kDeepseek3Main}, true, false},
      {"falcon", {S::kFalconPunct, S::kGpt2, S::kAsciiDigits3}, false, false},
      {"default", {S::kDefaultPunct, S::kGpt2, S::kDigits, S::kAsciiDigits3}, false, false},
  };
  for (const NamedFamily& family : kFamilies) {
    std::string_view rest = family.names;
    while (!rest.empty()) {
      const size_t space = std::min(rest.find(' '), rest.size());
      if (rest.substr(0, space) == name) return &family;
      rest.remove_prefix(std::min(space + 1, rest.size()));
    }
  }
  return nullptr;
}

void replace_all(std::string* text, std::string_view from, std::string_view to) {
  for (size_t at = text->find(from); at != std::string::npos; at = text->find(from, at + to.size())) text->replace(at, from.size(), to);
}

// One spelling for patterns that match alike. Possessive quantifiers (?+ ++ *+ {1,3}+) only forbid giving back what no later part of
// these patterns could use; "\s*[\r\n]" takes the whole run through \s*; "\s" at the end stands behind "\s+(?!\S)", so it meets
// single characters only.
std::string canonical_regex(std::string_view regex) {
  std::string r(regex);
  replace_all(&r, "'(?i:[sdmt]|ll|ve|re)", "(?i:'s|'t|'re|'ve|'m|'ll|'d)");
  replace_all(&r, "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", "(?i:'s|'t|'re|'ve|'m|'ll|'d)");
  replace_all(&r, "'(?:[sdmt]|ll|ve|re)", "'s|'t|'re|'ve|'m|'ll|'d");
  for (const std::string_view quantifier : {"?", "+", "*", "{1,3}"}) replace_all(&r, std::string(quantifier) + "+", quantifier);
  const auto fix_tail = [&r](std::string_view from, std::string_view to) {
    if (r.ends_with(from)) r.replace(r.size() - from.size(), from.size(), to);
  };
  fix_tail("|\\s*[\\r\\n]|\\s+(?!\\S)|\\s", "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
  fix_tail("|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+", "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+");
  fix_tail("|\\s+(?!\\S)|\\s", "|\\s+(?!\\S)|\\s+");
  return r;
}

}  // namespace

bool is_known_pretokenizer(std::string_view name) { return find_family(name) != nullptr; }

PreTokenizer pretokenizer_by_name(std::string_view name) {
  const NamedFamily* family = find_family(name.empty() ? "default" : name);
  PreTokenizer pre;
  if (family == nullptr || name.empty() || name == "default") {
    pre.warning = "pre-tokenizer \"" + std::string(name) + "\" is not known; the default pattern stands in, and token ids may differ "
                  "from those the model was trained with";
  }
  if (family == nullptr) family = find_family("default");
  for (const SplitStage stage : family->stages) {
    if (stage != SplitStage::kNone) pre.stages.push_back(stage);
  }
  pre.name = name.empty() ? "default" : name;
  pre.ignore_merges = family->ignore_merges;
  pre.adds_bos = family->adds_bos;
  return pre;
}

std::optional<SplitStage> stage_by_regex(std::string_view regex) {
  struct Known {
    std::string_view regex;  // canonical
    SplitStage stage;
  };
#define FS_WORD "[^\\r\\n\\p{L}\\p{N}]?"
#define FS_UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define FS_LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define FS_CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define FS_SPACE "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
  static constexpr Known kKnown[] = {
      {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", SplitStage::kGpt2},
      {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)", SplitStage::kGpt2},
      {FS_CONTRACTIONS "|" FS_WORD "\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" FS_SPACE, SplitStage::kLlama3},
      {FS_CONTRACTIONS "|" FS_WORD "\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" FS_SPACE, SplitStage::kQwen2},
      {FS_CONTRACTIONS "|" FS_WORD "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" FS_SPACE, SplitStage::kQwen35},
      {FS_WORD FS_UPPER "*" FS_LOWER "+|" FS_WORD FS_UPPER "+" FS_LOWER "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" FS_SPACE,
       SplitStage::kTekken},
      {FS_WORD FS_UPPER "*" FS_LOWER "+" FS_CONTRACTIONS "?|" FS_WORD FS_UPPER "+" FS_LOWER "*" FS_CONTRACTIONS
       "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" FS_SPACE,
       SplitStage::kGpt4o},
      {"\\p{N}", SplitStage::kDigit},
      {"\\p{N}+", SplitStage::kDigits},
      {"\\p{N}{1,3}", SplitStage::kDigits3},
      {"[0-9][0-9][0-9]", SplitStage::kAsciiDigits3},
      {"[\\r\\n]", SplitStage::kLineBreak},
      {"\\s+$", SplitStage::kTrailingSpace},
      {"\\s?\\p{L}+", SplitStage::kDeepseekCoderWord},
      {"\\s?\\p{P}+", SplitStage::kDeepseekCoderPunct},
      {"[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+", SplitStage::kDeepseekCjk},
      {"[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", SplitStage::kDeepseek3Cjk},
      {"\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+", SplitStage::kDeepseekLlmPunct},
      {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|"
       FS_SPACE,
       SplitStage::kDeepseek3Main},
  };
#undef FS_WORD
#undef FS_UPPER
#undef FS_LOWER
#undef FS_CONTRACTIONS
#undef FS_SPACE
  std::string canonical = canonical_regex(regex);
  // Real newlines instead of escapes, as some files have them inside the brackets.
  replace_all(&canonical, "\r", "\\r");
  replace_all(&canonical, "\n", "\\n");
  for (const Known& known : kKnown) {
    if (regex == known.regex || canonical == known.regex) return known.stage;
  }
  // The cased letters of deepseek-llm as one long class: too long to spell twice.
  if (canonical.starts_with("\\s?[A-Za-z\xC2\xB5\xC3\x80-")) return SplitStage::kDeepseekLlmWord;
  return std::nullopt;
}

}  // namespace firesteel
