// Names of stored things: a prefix that says what it is, and 26 characters (128 random bits, lower-case base 32 after Crockford).
// Parsing is strict, so a malformed id never reaches a query; a foreign one is not found there.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace firesteel {

// Alphabet 0-9a-z without i, l, o, u; big-endian bits, the last character padded with zero bits.
std::string base32_encode(std::span<const uint8_t> bytes);
// nullopt for a character outside the alphabet or padding bits that are set. Upper case is refused: one spelling each.
std::optional<std::string> base32_decode(std::string_view text);

// Fills `bytes` from the kernel's generator. CHECKs that it works: it cannot fail after boot.
void random_bytes(std::span<uint8_t> bytes);

std::string random_id_tail();
bool is_record_id(std::string_view text, std::string_view prefix);  // exactly the prefix and a tail

// Tag::kPrefix is "ten_", "key_" ...
template <typename Tag>
class RecordId {
 public:
  RecordId() = default;  // empty: none
  static RecordId fresh() { return RecordId(std::string(Tag::kPrefix) + random_id_tail()); }
  static std::optional<RecordId> parse(std::string_view text) {
    if (!is_record_id(text, Tag::kPrefix)) return std::nullopt;
    return RecordId(std::string(text));
  }
  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const RecordId&) const = default;

 private:
  explicit RecordId(std::string text) : text_(std::move(text)) {}

  std::string text_;
};

struct TenantTag { static constexpr std::string_view kPrefix = "ten_"; };
struct KeyTag { static constexpr std::string_view kPrefix = "key_"; };
struct UserTag { static constexpr std::string_view kPrefix = "usr_"; };
struct ConversationTag { static constexpr std::string_view kPrefix = "conv_"; };
struct MessageTag { static constexpr std::string_view kPrefix = "msg_"; };
struct FeedbackTag { static constexpr std::string_view kPrefix = "fb_"; };
struct FileTag { static constexpr std::string_view kPrefix = "file-"; };      // as clients of the OpenAI API know them
struct BatchTag { static constexpr std::string_view kPrefix = "batch_"; };

using TenantId = RecordId<TenantTag>;
using KeyId = RecordId<KeyTag>;
using UserId = RecordId<UserTag>;
using ConversationId = RecordId<ConversationTag>;
using MessageId = RecordId<MessageTag>;
using FeedbackId = RecordId<FeedbackTag>;
using FileId = RecordId<FileTag>;
using BatchId = RecordId<BatchTag>;

}  // namespace firesteel

template <typename Tag>
struct std::hash<firesteel::RecordId<Tag>> {
  size_t operator()(const firesteel::RecordId<Tag>& id) const { return std::hash<std::string>{}(id.str()); }
};
