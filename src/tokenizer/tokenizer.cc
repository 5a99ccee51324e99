#include "tokenizer/tokenizer.h"

#include "base/utf8.h"

namespace firesteel {

Status Tokenizer::encode_parts(std::span<const EncodePart> parts, bool add_special, std::vector<TokenId>* ids) const {
  for (const EncodePart& part : parts) {
    FS_TRY_VOID(encode(part.text, {.parse_special = part.parse_special, .add_special = add_special && &part == parts.data()}, ids));
  }
  return {};
}

namespace {

void append_valid_utf8(std::string_view text, std::string* out) {
  if (is_valid_utf8(text)) {
    *out += text;
    return;
  }
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    append_utf8(out, c.code_point);
    i += c.n_bytes;
  }
}

}  // namespace

std::string StreamDecoder::push(TokenId id) {
  tokenizer_.append_piece(id, render_special_, &pending_);
  const size_t n_complete = complete_utf8_prefix(pending_);
  std::string out;
  append_valid_utf8(std::string_view(pending_).substr(0, n_complete), &out);
  pending_.erase(0, n_complete);
  return out;
}

std::string StreamDecoder::flush() {
  std::string out;
  if (!pending_.empty()) append_utf8(&out, 0xFFFD);  // one unfinished character, however many bytes of it came
  pending_.clear();
  return out;
}

}  // namespace firesteel
