#include "dataset/language.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "base/utf8.h"

namespace firesteel {
namespace {

struct FrequentWords {
  const char* language;
  std::string_view words;  // frequent ones, blanks around each
};
constexpr std::array kLatin = {
    FrequentWords{"en", " the and of to is that it for was with you this are have not what how be on as your can from they would there my which do if at by "},
    FrequentWords{"de", " der die und das ist nicht ich ein eine zu den mit sich auf von dem wie wird auch es sie wir sind was kann bei oder aus f\xc3\xbcr \xc3\xbc" "ber einen im "},
    FrequentWords{"fr", " le la les et des est que pour dans une vous je pas qui ne ce il sur avec plus au nous sont mais ou comment du elle \xc3\xa0 cette \xc3\xaatre votre "},
    FrequentWords{"es", " el la los de que y en las por una con para es no lo como del se m\xc3\xa1s pero su est\xc3\xa1 al este qu\xc3\xa9 c\xc3\xb3mo muy son hay tiene mi "},
    FrequentWords{"it", " il di che e la per un una non sono con del della si le da come pi\xc3\xb9 ma gli ho nel alla anche questo cosa \xc3\xa8 quanto lo mi ha "},
    FrequentWords{"pt", " o de que e do da em um para com n\xc3\xa3o uma os no se na por mais as dos como mas ao ele foi \xc3\xa9 voc\xc3\xaa s\xc3\xa3o isso qual est\xc3\xa1 meu "},
    FrequentWords{"nl", " de het een en van ik te dat niet is op in voor met zijn er maar om hij ze aan wat deze heeft ook kan naar je hoe wij bij "},
    FrequentWords{"sv", " och att det i som p\xc3\xa5 en \xc3\xa4r av f\xc3\xb6r med den inte till jag om har de ett var vi fr\xc3\xa5n s\xc3\xa5 men kan hur vad du "},
    FrequentWords{"da", " og at det er en til p\xc3\xa5 ikke jeg med som for af de har et den vi kan du hvad var fra s\xc3\xa5 men hvordan der "},
    FrequentWords{"pl", " i w nie na si\xc4\x99 jest do to \xc5\xbc" "e z co jak a ale czy przez dla od ja by\xc5\x82o ten mo\xc5\xbcna s\xc4\x85 po tak kt\xc3\xb3ry ile "},
    FrequentWords{"tr", " ve bir bu i\xc3\xa7in ile da de ne olarak daha \xc3\xa7ok var ben sen nas\xc4\xb1l gibi ama o en kadar sonra m\xc4\xb1 olan "},
};
constexpr std::string_view kUkrainian = "\xd1\x96\xd1\x97\xd1\x94\xd2\x91\xd0\x86\xd0\x87\xd0\x84\xd2\x90";  // letters that Russian lacks

const char* script_of(uint32_t code) {
  if ((code >= 0x3040 && code < 0x3100) || (code >= 0xff66 && code < 0xff9e)) return "ja";
  if ((code >= 0x4e00 && code < 0xa000) || (code >= 0x3400 && code < 0x4dc0)) return "zh";
  if ((code >= 0xac00 && code < 0xd7a4) || (code >= 0x1100 && code < 0x1200)) return "ko";
  if (code >= 0x400 && code < 0x530) return "ru";
  if (code >= 0x370 && code < 0x400) return "el";
  if (code >= 0x590 && code < 0x600) return "he";
  if (code >= 0x600 && code < 0x780) return "ar";
  if (code >= 0x900 && code < 0x980) return "hi";
  if (code >= 0xe00 && code < 0xe80) return "th";
  if ((code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') || (code >= 0xc0 && code < 0x250)) return "latin";
  return nullptr;
}

// Lower case of Latin-1 and Latin Extended-A letters as well: their capitals lie 32 or 1 below.
uint32_t lower(uint32_t code) {
  if (code >= 'A' && code <= 'Z') return code + 32;
  if (code >= 0xc0 && code < 0xdf && code != 0xd7) return code + 32;
  if (code >= 0x100 && code < 0x138 && code % 2 == 0) return code + 1;
  return code;
}

}  // namespace

std::string guess_language(std::string_view text) {
  text = text.substr(0, 4000);
  std::map<std::string, size_t> scripts;
  std::vector<std::string> words(1);
  for (size_t i = 0; i < text.size();) {
    const Utf8Char character = decode_utf8(text, i);
    i += character.n_bytes;
    const char* const script = character.valid ? script_of(character.code_point) : nullptr;
    if (script != nullptr) ++scripts[script];
    if (script != nullptr) {
      append_utf8(&words.back(), lower(character.code_point));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  std::string best;
  size_t most = 0, all = 0;
  for (const auto& [script, n] : scripts) {
    all += n;
    if (n > most) {
      most = n;
      best = script;
    }
  }
  if (all < 2 || most * 2 < all) return "und";
  if (best == "zh" && scripts.contains("ja") && scripts["ja"] * 10 > most) return "ja";  // kana among Han characters
  if (best == "ru") {
    for (size_t i = 0; i + 1 < kUkrainian.size(); i += 2) {
      if (text.find(kUkrainian.substr(i, 2)) != std::string_view::npos) return "uk";
    }
    return all < 8 ? "und" : "ru";
  }
  if (best != "latin") return best;

  size_t n_words = 0;
  std::array<size_t, kLatin.size()> hits{};
  for (const std::string& word : words) {
    if (word.empty()) continue;
    ++n_words;
    const std::string padded = " " + word + " ";
    for (size_t k = 0; k < kLatin.size(); ++k) hits[k] += kLatin[k].words.find(padded) != std::string_view::npos ? 1u : 0u;
  }
  const auto top = std::max_element(hits.begin(), hits.end());
  const size_t n_top = static_cast<size_t>(std::count(hits.begin(), hits.end(), *top));
  if (*top == 0 || n_top > 1 || n_words < 3 || *top * 12 < n_words) return "und";
  return kLatin[static_cast<size_t>(top - hits.begin())].language;
}

}  // namespace firesteel
