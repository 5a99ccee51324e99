// tokenizer.json to GGUF's tokenizer keys, for files that other engines load. (This program's tokenizer reads tokenizer.json itself.)
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "base/metadata.h"
#include "base/result.h"

namespace firesteel {

// Reads folder/tokenizer.json (and tokenizer_config.json) and sets "tokenizer.ggml.*" in *metadata; text goes to *strings, whose
// addresses must stay. n_vocab: rows of the embedding; missing entries become unused tokens. pre: name of the pre-tokenizer, or
// empty to recognise its pattern. kUnsupported: another kind of tokenizer, an unknown pattern, more tokens than n_vocab.
Status add_hf_tokenizer(const std::string& folder, int64_t n_vocab, const std::string& pre, Metadata* metadata, std::deque<std::string>* strings);

}  // namespace firesteel
