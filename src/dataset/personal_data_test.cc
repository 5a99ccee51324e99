// Recall and precision on sentences that are made here, labelled as they are made.
#include "dataset/personal_data.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/rng.h"

namespace firesteel {
namespace {

// A text with what it holds.
struct Labelled {
  std::string text;
  std::vector<std::pair<PersonalKind, std::string>> values;
};

class Generator {
 public:
  explicit Generator(uint64_t seed) : rng_(seed) {}

  std::string digits(size_t n) {
    std::string out;
    for (size_t i = 0; i < n; ++i) out += static_cast<char>('0' + rng_.below(10));
    return out;
  }
  std::string pick(const std::vector<std::string>& list) { return list[rng_.below(list.size())]; }

  std::string card() {
    std::string number = pick({"4", "51", "37", "6011"});
    const size_t length = number == "37" ? 15 : 16;
    number += digits(length - 1 - number.size());
    for (char c = '0'; c <= '9'; ++c) {
      if (passes_luhn(number + c)) {
        number += c;
        break;
      }
    }
    if (length == 16 && rng_.below(2) == 0) {
      const char gap = rng_.below(2) == 0 ? ' ' : '-';
      return number.substr(0, 4) + gap + number.substr(4, 4) + gap + number.substr(8, 4) + gap + number.substr(12);
    }
    return number;
  }

  std::string iban() {
    const auto [country, n] = std::vector<std::pair<std::string, size_t>>{{"DE", 18}, {"FR", 23}, {"GB", 18}, {"NL", 14}, {"ES", 20}, {"IT", 23}}[rng_.below(6)];
    std::string account = country == "GB" || country == "NL" ? "BANK" + digits(n - 4) : country == "IT" ? "X" + digits(n - 1) : digits(n);
    for (int check = 2; check < 99; ++check) {
      const std::string candidate = fmt::format("{}{:02}{}", country, check, account);
      if (!is_iban(candidate)) continue;
      if (rng_.below(2) == 0) return candidate;
      std::string grouped;
      for (size_t i = 0; i < candidate.size(); ++i) grouped += (i > 0 && i % 4 == 0 ? " " : "") + std::string(1, candidate[i]);
      return grouped;
    }
    return {};
  }

  std::string phone() {
    switch (rng_.below(7)) {
      case 0: return fmt::format("+1 {}-{}-{}", 200 + rng_.below(700), 200 + rng_.below(700), digits(4));
      case 1: return fmt::format("({}) {}-{}", 200 + rng_.below(700), 200 + rng_.below(700), digits(4));
      case 2: return fmt::format("{}-{}-{}", 200 + rng_.below(700), 200 + rng_.below(700), digits(4));
      case 3: return fmt::format("+49 {} {}", 100 + rng_.below(800), digits(7));
      case 4: return fmt::format("+44 20 {} {}", digits(4), digits(4));
      case 5: return fmt::format("0{} {}", 100 + rng_.below(900), digits(7));
      default: return fmt::format("+33{}", 600000000 + rng_.below(99999999));
    }
  }

  std::string email() {
    static const std::vector<std::string> locals = {"anna.gray", "j_smith42", "info+news", "o'neil", "x", "first.m.last"};
    static const std::vector<std::string> hosts = {"example.org", "mail.example.co.uk", "uni-bonn.example", "a.b.example.com"};
    return pick(locals) + "@" + pick(hosts);
  }

  std::string id() {
    constexpr std::string_view letters = "TRWAGMYFPDXBNJZSQVHLCKE";
    switch (rng_.below(4)) {
      case 0: return fmt::format("{:03}-{:02}-{:04}", 1 + rng_.below(600), 1 + rng_.below(99), 1 + rng_.below(9999));
      case 1: return fmt::format("AB {} {} {} C", digits(2), digits(2), digits(2));
      case 2: {
        const uint64_t number = rng_.below(100'000'000);
        return fmt::format("{:08}{}", number, letters[number % 23]);
      }
      default: {
        const uint64_t number = 1'000'000'000'000 + rng_.below(900'000'000'000);
        return fmt::format("{}{:02}", number, 97 - number % 97);
      }
    }
  }

  Labelled sentence() {
    static const std::vector<std::string> names = {"Marisol Vega", "Tobias Lindqvist", "Amara Okafor", "Kenji Morita", "Priya Raman"};  // of the list below
    Labelled out;
    const auto add = [&](PersonalKind kind, std::string value, const char* pattern) {
      out.text += fmt::format(fmt::runtime(pattern), value);
      out.values.emplace_back(kind, std::move(value));
    };
    switch (rng_.below(7)) {
      case 0: add(PersonalKind::kEmail, email(), rng_.below(2) == 0 ? "Write to {}, please." : "My address ({}) has changed."); break;
      case 1: add(PersonalKind::kPhone, phone(), rng_.below(2) == 0 ? "You can call me at {} after five." : "Phone: {}"); break;
      case 2: add(PersonalKind::kCard, card(), rng_.below(2) == 0 ? "Charge it to {} today." : "my card is {}, it expires in May"); break;
      case 3: add(PersonalKind::kIban, iban(), rng_.below(2) == 0 ? "Transfer it to {}." : "IBAN: {}"); break;
      case 4: add(PersonalKind::kNationalId, id(), rng_.below(2) == 0 ? "My number is {}." : "social security {}"); break;
      case 5: add(PersonalKind::kIpAddress, fmt::format("{}.{}.{}.{}", 1 + rng_.below(250), rng_.below(256), rng_.below(256), rng_.below(256)), "It came from {} at noon."); break;
      default: add(PersonalKind::kName, pick(names), rng_.below(2) == 0 ? "I spoke with {} about it." : "Hello, my name is {}."); break;
    }
    return out;
  }

 private:
  Rng rng_;
};

TEST(PersonalData, RecallOnTwoThousandLabelledSentences) {
  const PersonalDataFinder finder({"Marisol Vega", "Tobias Lindqvist", "Amara Okafor", "Kenji Morita", "Priya Raman"});
  Generator generator(2026);
  std::array<int, kPersonalKinds> n{}, found{};
  for (int i = 0; i < 2000; ++i) {
    const Labelled labelled = generator.sentence();
    Scrubber scrubber(finder);
    const std::string scrubbed = scrubber.scrub(labelled.text);
    for (const auto& [kind, value] : labelled.values) {
      ++n[static_cast<size_t>(kind)];
      const bool gone = scrubbed.find(value) == std::string::npos;
      found[static_cast<size_t>(kind)] += gone ? 1 : 0;
      if (!gone) fmt::print("missed: {}\n", labelled.text);
    }
  }
  int all = 0, all_found = 0;
  for (size_t i = 0; i < kPersonalKinds; ++i) {
    all += n[i];
    all_found += found[i];
    EXPECT_GE(found[i], 0.95 * n[i]) << personal_kind_name(static_cast<PersonalKind>(i)) << ": " << found[i] << " of " << n[i];
  }
  EXPECT_GE(all_found, 0.95 * all);
  RecordProperty("recall", fmt::format("{} of {}", all_found, all));
  fmt::print("recall: {} of {}\n", all_found, all);
}

TEST(PersonalData, NumbersOfProblemsStay) {
  const PersonalDataFinder finder({"Will Power"});
  for (const std::string text : {"What is 1234567 * 7654321 + 12.5?", "I put 2,400 into an account at 3.5 % a year for 48 months.", "In 1999 there were 6 123 456 789 people.", "pi is 3.14159265358979",
                                 "From 2019-05-12 to 2020-11-30, 10:45:00.", "Version 1.2.3.4 was released.", "x = 4111 1111 1111 1112", "Multiply 555 by 123, then add 4567.",
                                 "https://example.org/a/12345678", "will power and Will", "Name: 3 apples", "the ratio 12/34/56/7890", "12345678901234567890 is large", "1 000 000 000 euros"}) {
    const std::vector<PersonalSpan> spans = finder.find(text);
    EXPECT_TRUE(spans.empty()) << text << " -> " << (spans.empty() ? "" : personal_kind_name(spans[0].kind));
  }
}

TEST(PersonalData, TheSameTextHasTheSameNumber) {
  const PersonalDataFinder finder;
  Scrubber scrubber(finder);
  EXPECT_EQ(scrubber.scrub("a@example.org and b@example.org, again a@example.org. Mr. Gray met Dr. White Hill."),
            "[email 1] and [email 2], again [email 1]. Mr. [name 1] met Dr. [name 2].");
  EXPECT_EQ(scrubber.scrub("a@example.org"), "[email 1]");
  EXPECT_EQ(scrubber.counts()[0], 4u);
}

TEST(PersonalData, ChecksumsDecide) {
  EXPECT_TRUE(passes_luhn("4111111111111111"));
  EXPECT_FALSE(passes_luhn("4111111111111112"));
  EXPECT_TRUE(is_iban("GB82 WEST 1234 5698 7654 32"));  // the standard's own example
  EXPECT_FALSE(is_iban("GB82 WEST 1234 5698 7654 33"));
  const PersonalDataFinder finder;
  EXPECT_TRUE(finder.find("GB82 WEST 1234 5698 7654 33").empty());
  EXPECT_EQ(finder.find("see GB82 WEST 1234 5698 7654 32!").size(), 1u);
}

TEST(PersonalData, AnyBytesGiveSpansInOrder) {
  Rng rng(9);
  const PersonalDataFinder finder({"Ann Lee"});
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (uint64_t n = rng.below(80); n > 0; --n) text += "0123456789+-(). @aZ\xc3\xffXDEAnn Lee"[rng.below(32)];
    size_t end = 0;
    for (const PersonalSpan& span : finder.find(text)) {
      EXPECT_GE(span.begin, end);
      EXPECT_GT(span.end, span.begin);
      EXPECT_LE(span.end, text.size());
      end = span.end;
    }
  }
}

}  // namespace
}  // namespace firesteel
