#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "schema/identity.h"
#include "schema/ids.h"
#include "schema/usage.h"

namespace firesteel {
namespace {

TEST(Base32, RoundTripOfEveryLength) {
  Rng rng(1);
  for (size_t n = 0; n < 40; ++n) {
    std::vector<uint8_t> bytes(n);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(rng.next_u32());
    const std::string text = base32_encode(bytes);
    EXPECT_EQ(text.size(), (n * 8 + 4) / 5);
    EXPECT_EQ(base32_decode(text), std::string(bytes.begin(), bytes.end()));
  }
}

TEST(Base32, OneSpellingEach) {
  const std::vector<uint8_t> bytes = {0xAB, 0xCD};  // 16 bits: 4 characters, 4 bits of padding
  const std::string text = base32_encode(bytes);
  int n_accepted = 0;
  for (const char c : std::string("0123456789abcdefghjkmnpqrstvwxyz")) {
    std::string changed = text;
    changed.back() = c;
    if (base32_decode(changed) == std::string("\xAB\xCD")) ++n_accepted;
  }
  EXPECT_EQ(n_accepted, 1);
  for (const char* wrong : {"i", "l", "o", "u", "A", "-", " ", "0", "000"}) EXPECT_FALSE(base32_decode(wrong).has_value()) << wrong;
}

TEST(RecordId, IsStrictAndDistinct) {
  std::set<TenantId> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(TenantId::fresh());
  EXPECT_EQ(ids.size(), 1000u);
  const std::string good = ids.begin()->str();
  EXPECT_EQ(TenantId::parse(good)->str(), good);
  EXPECT_FALSE(KeyId::parse(good).has_value());  // another kind
  for (const std::string& wrong : {std::string(), std::string("ten_"), good + "0", good.substr(1), " " + good, good.substr(0, good.size() - 1) + "U",
                                   std::string("ten_../../../../etc/passwd0000"), std::string("ten_' OR 1=1 --0000000000000")}) {
    EXPECT_FALSE(TenantId::parse(wrong).has_value()) << wrong;
  }
  EXPECT_TRUE(TenantId().empty());
}

TEST(Days, AgreeWithTheCalendar) {
  constexpr int64_t kDayUs = 86'400'000'000;
  EXPECT_EQ(day_text(0), "1970-01-01");
  EXPECT_EQ(day_of(-1), -1);
  EXPECT_EQ(day_of(kDayUs - 1), 0);
  EXPECT_EQ(day_text(day_of(1'795'392'000'000'000)), "2026-11-23");
  for (int64_t day = -1000; day < 60'000; day += 7) {
    EXPECT_EQ(parse_day(day_text(day)), day);
    const int64_t month = month_of(day * kDayUs);
    EXPECT_LE(first_day_of_month(month), day);
    EXPECT_GT(first_day_of_month(month + 1), day);
  }
  for (const char* wrong : {"", "2026-02-30", "2026-13-01", "2026-1-01", "26-11-2300", "2026/11/23", "2026-11-23 ", "+026-11-23"}) {
    EXPECT_FALSE(parse_day(wrong).has_value()) << wrong;
  }
}

TEST(Limits, JsonRoundTripAndRefusals) {
  const Limits limits{.requests_per_minute = 0, .tokens_per_day = 5, .kv_share_percent = 100};
  EXPECT_EQ(*parse_limits(limits_json(limits)), limits);
  EXPECT_EQ(*parse_limits(*Json::parse("{\"concurrency\": null}")), Limits{});
  for (const char* wrong : {"[]", "{\"rpm\": 1}", "{\"concurrency\": -1}", "{\"concurrency\": 1.5}", "{\"concurrency\": \"1\"}", "{\"kv_share_percent\": 0}",
                            "{\"kv_share_percent\": 101}", "{\"tokens_per_minute\": 10000000001}", "{\"tokens_per_minute\": 1e30}"}) {
    EXPECT_EQ(parse_limits(*Json::parse(wrong)).error().code, ErrorCode::kInvalidArgument) << wrong;
  }
}

TEST(Scope, TextRoundTripAndAdminHoldsAll) {
  for (uint32_t bits = 0; bits < 256; ++bits) {
    const auto scopes = static_cast<Scope>(bits);
    EXPECT_EQ(*parse_scopes(scopes_text(scopes)), scopes);
    EXPECT_EQ(has_scope(scopes, Scope::kMetrics), (bits & (static_cast<uint32_t>(Scope::kMetrics) | static_cast<uint32_t>(Scope::kAdmin))) != 0);
  }
  EXPECT_FALSE(has_scope(Scope::kInference, Scope::kInference | Scope::kFiles));
  EXPECT_FALSE(parse_scopes("inference,").ok() && parse_scopes("everything").ok());
  EXPECT_NE(parse_scopes("everything").error().message.find("inference"), std::string::npos);
}

}  // namespace
}  // namespace firesteel
