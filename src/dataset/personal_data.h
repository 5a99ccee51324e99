// Finds personal data in text and takes it out. Rules with checks where the number has one (Luhn, ISO 7064, letters of national ids), so that
// prices, dates and calculations stay as they are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace firesteel {

enum class PersonalKind : uint8_t {
  kEmail,
  kPhone,       // international with +, North American, or 8 to 15 digits in groups behind a word like "phone", "call", "Tel."
  kCard,        // 13 to 19 digits that pass Luhn and begin like a card's
  kIban,        // country, length and checksum (ISO 13616)
  kNationalId,  // US social security, UK national insurance, Spanish DNI and NIE, French NIR, German tax number; passport numbers behind that word
  kIpAddress,   // IPv4 with four parts, not a version number
  kName,        // from the list, behind a title ("Mrs. Gray"), or where somebody introduces themselves ("my name is ...")
};
inline constexpr size_t kPersonalKinds = 7;
const char* personal_kind_name(PersonalKind kind);  // "email" ...

struct PersonalSpan {
  PersonalKind kind = PersonalKind::kEmail;
  size_t begin = 0, end = 0;  // bytes
};

// names: one name each (one or more words, capitals as written); matched as whole words, with their capitals, so a list with "Will" leaves "will" alone.
class PersonalDataFinder {
 public:
  explicit PersonalDataFinder(std::vector<std::string> names = {});
  // In order, without overlaps; time is linear in the text.
  std::vector<PersonalSpan> find(std::string_view text) const;

 private:
  std::vector<std::string> names_;  // sorted
  size_t longest_name_ = 0;
};

// Replaces what was found by "[email 1]", "[phone 2]": the same text has the same number within one Scrubber, so a conversation still says who is who.
class Scrubber {
 public:
  explicit Scrubber(const PersonalDataFinder& finder) : finder_(finder) {}
  std::string scrub(std::string_view text);
  const std::array<uint64_t, kPersonalKinds>& counts() const { return counts_; }

 private:
  const PersonalDataFinder& finder_;
  std::array<std::vector<std::string>, kPersonalKinds> seen_;
  std::array<uint64_t, kPersonalKinds> counts_{};
};

bool passes_luhn(std::string_view digits);
bool is_iban(std::string_view text);  // blanks between groups are allowed

}  // namespace firesteel
