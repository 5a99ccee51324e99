#include "eval/item.h"

#include <array>
#include <span>

#include "eval/answer_text.h"

namespace firesteel {
namespace {

__extension__ using Uint128 = unsigned __int128;

// FNV-1a with 128 bits: names a content, keeps no secret.
class ContentHash {
 public:
  void add(std::string_view text) {
    add_size(text.size());
    for (const char c : text) add_byte(static_cast<uint8_t>(c));
  }
  void add(std::span<const uint8_t> bytes) {
    add_size(bytes.size());
    for (const uint8_t byte : bytes) add_byte(byte);
  }
  void add_size(size_t size) {
    for (int i = 0; i < 8; ++i) add_byte(static_cast<uint8_t>(size >> (8 * i)));
  }
  std::string hex() const {
    std::string out;
    for (int shift = 124; shift >= 0; shift -= 4) out += "0123456789abcdef"[static_cast<size_t>(value_ >> shift) & 15];
    return out;
  }

 private:
  void add_byte(uint8_t byte) { value_ = (value_ ^ byte) * kPrime; }
  static constexpr Uint128 kPrime = (Uint128{1} << 88) + 0x13B;
  Uint128 value_ = (Uint128{0x6c62272e07bb0142} << 64) + 0x62b821756295c58d;
};

void add_grading(const Grading& grading, ContentHash* hash) {
  hash->add(grading_kind_name(grading.kind));
  hash->add_size(grading.answers.size());
  for (const std::string& answer : grading.answers) hash->add(answer);
  for (const std::string& choice : grading.choices) hash->add(choice);
  hash->add(grading.unit);
  for (const std::string& one : grading.forbidden) hash->add(one);  // none: the digests of suites from before stay
  for (const Grading& part : grading.parts) add_grading(part, hash);
  if (!grading.given.empty()) hash->add(grading.given);
}

void add_item(const EvalItem& item, ContentHash* hash) {
  hash->add(item.id);
  hash->add_size(item.messages.size());
  for (const SampleMessage& message : item.messages) {
    hash->add(message.role);
    hash->add(message.text);
    hash->add_size(message.images.size());
    for (const size_t image : message.images) hash->add_size(image);
  }
  hash->add_size(item.images.size());
  for (const RgbImage& image : item.images) {
    hash->add_size(static_cast<size_t>(image.width));
    hash->add(image.pixels);
  }
  add_grading(item.grading, hash);
}

// "math/buying/unit_price" with 2: "math/buying".
std::string first_parts(const std::string& path, int n) {
  size_t at = 0;
  for (int i = 0; i < n; ++i) {
    at = path.find('/', i == 0 ? 0 : at + 1);
    if (at == std::string::npos) return path;
  }
  return path.substr(0, at);
}

}  // namespace

std::string items_digest(const std::vector<EvalItem>& items) {
  ContentHash hash;
  for (const EvalItem& item : items) add_item(item, &hash);
  return hash.hex();
}

EvalItem item_from_sample(const Sample& sample, uint64_t index) {
  EvalItem item;
  item.id = std::to_string(index);
  item.images = sample.images;
  size_t n_messages = sample.messages.size();
  while (n_messages > 0 && sample.messages[n_messages - 1].role != "user") --n_messages;
  item.messages.assign(sample.messages.begin(), sample.messages.begin() + static_cast<std::ptrdiff_t>(n_messages));
  Grading& grading = item.grading;
  if (sample.grader == "none") {
    grading.kind = Grading::Kind::kReply;
  } else if (const auto kind = grading_kind(sample.grader); kind && *kind != Grading::Kind::kChoice) {
    grading.kind = *kind;
  }  // "choice" without a list of them is one of a few words: exact
  if (!sample.answer.empty()) grading.answers.push_back(sample.answer);
  if (grading.kind == Grading::Kind::kNumber) {
    const std::string& written = sample.reply.empty() ? sample.answer : sample.reply;
    const std::vector<TextNumber> numbers = find_numbers(written);
    if (!numbers.empty()) grading.unit = std::string(known_unit(unit_of(written, numbers.front())));
  }
  item.slices.emplace_back("kind", first_parts(sample.kind, 2));
  return item;
}

}  // namespace firesteel
