#include "grammar/grammar.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "base/rng.h"
#include "grammar/piece_tokenizer.h"

namespace firesteel {
namespace {

bool matches(const Grammar& grammar, std::string_view text) {
  Automaton automaton(grammar.nfa());
  return automaton.accepts(automaton.run(automaton.start(), text));
}

std::shared_ptr<const Grammar> schema(std::string_view source) {
  const auto json = Json::parse(source);
  EXPECT_TRUE(json.ok()) << source;
  auto grammar = Grammar::from_json_schema(*json);
  EXPECT_TRUE(grammar.ok()) << (grammar.ok() ? "" : grammar.error().message);
  return grammar.ok() ? *grammar : nullptr;
}

Error schema_error(std::string_view source) {
  const auto grammar = Grammar::from_json_schema(Json::parse(source).value());
  return grammar.ok() ? Error{ErrorCode::kInternal, "compiled"} : grammar.error();
}

struct SchemaCase {
  const char* schema;
  std::vector<const char*> valid;
  std::vector<const char*> invalid;
  friend std::ostream& operator<<(std::ostream& out, const SchemaCase& c) { return out << c.schema; }  // the test's name
};

class SchemaTest : public testing::TestWithParam<SchemaCase> {};

TEST_P(SchemaTest, AcceptsWhatIsValidAndNothingElse) {
  const auto grammar = schema(GetParam().schema);
  ASSERT_NE(grammar, nullptr);
  for (const char* text : GetParam().valid) EXPECT_TRUE(matches(*grammar, text)) << GetParam().schema << " should accept " << text;
  for (const char* text : GetParam().invalid) EXPECT_FALSE(matches(*grammar, text)) << GetParam().schema << " should refuse " << text;
}

INSTANTIATE_TEST_SUITE_P(Keywords, SchemaTest, testing::Values(
    SchemaCase{R"({"type":"integer"})", {"0", "-1", "120"}, {"01", "-", "1.0", "+1", "", "1 "}},
    SchemaCase{R"({"type":"number"})", {"0", "-0.5", "1e9", "1.25E-3"}, {".5", "1.", "1e", "NaN", "00"}},
    SchemaCase{R"({"type":"integer","minimum":3,"maximum":120})", {"3", "9", "10", "99", "100", "120"}, {"2", "121", "0", "-3", "1000", "003"}},
    SchemaCase{R"({"type":"integer","minimum":-15,"maximum":-2})", {"-2", "-9", "-10", "-15"}, {"-1", "-16", "0", "2"}},
    SchemaCase{R"({"type":"integer","exclusiveMinimum":-1,"exclusiveMaximum":10})", {"0", "9"}, {"-1", "10", "-0"}},
    SchemaCase{R"({"type":"integer","minimum":987})", {"987", "988", "999", "1000", "123456"}, {"986", "99", "0", "-1000"}},
    SchemaCase{R"({"type":"integer","minimum":2.5,"maximum":4.5})", {"3", "4"}, {"2", "5"}},
    SchemaCase{R"({"type":"number","minimum":0})", {"0", "0.0", "0.5", "7", "123456.75", "1000000000000"}, {"-1", "-0", "-0.5", "1e3", "00", "1."}},
    SchemaCase{R"({"type":"number","exclusiveMinimum":0,"maximum":1.0})", {"0.5", "0.000000001", "0.999999999", "1", "1.0"}, {"0", "0.0", "1.1", "1.01", "2", "-0.5", "0.00000000001"}},
    SchemaCase{R"({"type":"number","minimum":-15,"exclusiveMaximum":3})", {"-15", "-15.00", "-14.9", "-0.5", "0", "2.999", "-9.25"}, {"-15.1", "-16", "3", "3.0", "-0", "10"}},
    SchemaCase{R"({"type":"number","exclusiveMinimum":-10,"maximum":-2})", {"-2", "-2.0", "-9.99", "-3"}, {"-1.9", "-10", "-10.0", "0", "2"}},
    SchemaCase{R"({"type":["number","null"],"minimum":99,"maximum":101})", {"99", "99.5", "100", "101.0", "null"}, {"98.9", "101.5", "102"}},
    SchemaCase{R"({"type":"string","format":"uri"})", {"\"https://example.org/a/b%20c?q=1#top\"", "\"ftp://h\""}, {"\"example.org\"", "\"https://a b\"", "\"https:///x\""}},
    SchemaCase{R"({"type":"string","format":"hostname"})", {"\"a\"", "\"www.example.org\""}, {"\"-a\"", "\"a..b\"", "\"\""}},
    SchemaCase{R"({"type":"string","format":"ipv6"})", {"\"::1\"", "\"2001:db8::7\"", "\"1:2:3:4:5:6:7:8\""}, {"\"1::2::3\"", "\"1:2:3:4:5:6:7:8:9\"", "\"12345::1\""}},
    SchemaCase{R"({"type":"object","propertyNames":{"type":"string"},"additionalProperties":{"type":"boolean"}})", {"{}", R"({"a":true})"}, {R"({"a":1})"}},
    SchemaCase{R"({"type":"array","uniqueItems":false,"items":{"type":"null"}})", {"[null, null]"}, {"[1]"}},
    SchemaCase{R"({"type":"boolean"})", {"true", "false"}, {"True", "tru", "1"}},
    SchemaCase{R"({"type":"null"})", {"null"}, {"nul", "\"null\""}},
    SchemaCase{R"({"type":["string","null"]})", {"\"a\"", "null", "\"\""}, {"1"}},
    SchemaCase{R"({"type":"string"})", {R"("a\"b")", R"("\u00e9\n")", "\"é\"", R"("\/")"}, {"\"a", "\"\n\"", "\"\\x\"", "\"\\ud800\"", "\"\xFF\""}},
    SchemaCase{R"({"type":"string","minLength":2,"maxLength":3})", {"\"ab\"", "\"éü€\"", R"("\n\t")"}, {"\"a\"", "\"abcd\""}},
    SchemaCase{R"({"type":"string","pattern":"^[a-c]+$"})", {"\"abc\""}, {"\"\"", "\"abd\""}},
    SchemaCase{R"({"type":"string","pattern":"^(yes|no)$"})", {"\"yes\"", "\"no\""}, {"\"yesno\"", "\"maybe\"", "\"\""}},
    SchemaCase{R"({"type":"string","pattern":"b"})", {"\"b\"", "\"abc\"", "\"\\\"b\""}, {"\"ac\"", "\"\""}},
    SchemaCase{R"({"type":"string","format":"date"})", {"\"2024-02-29\""}, {"\"2024-13-01\"", "\"24-01-01\""}},
    SchemaCase{R"({"type":"string","format":"duration"})", {"\"P1W\"", "\"P1Y2M3DT4H5M6S\"", "\"PT5M\"", "\"P3D\"", "\"P2M1DT1S\""}, {"\"P\"", "\"PT\"", "\"P1DT\"", "\"P1Y2D\"", "\"1D\""}},
    SchemaCase{R"({"enum":["a",1,null,{"x":[1]}]})", {"\"a\"", "1", "null", "{\"x\":[1]}"}, {"\"b\"", "2"}},
    SchemaCase{R"({"const":"yes \"quoted\""})", {R"("yes \"quoted\"")"}, {"\"no\""}},
    SchemaCase{R"({"type":"array","items":{"type":"integer"},"minItems":1,"maxItems":3})", {"[1]", "[1, 2]", "[1,2,3]", "[\n  1\n]"}, {"[]", "[1,2,3,4]", "[1,]", "[\"a\"]"}},
    SchemaCase{R"({"type":"array","prefixItems":[{"const":1},{"const":2}],"items":false})", {"[]", "[1]", "[1,2]"}, {"[2]", "[1,2,3]"}},
    SchemaCase{R"({"type":"array","prefixItems":[{"const":1},{"const":2}],"items":{"const":3},"minItems":2})", {"[1,2]", "[1,2,3,3]"}, {"[1]", "[1,2,4]"}},
    SchemaCase{R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["a"],"additionalProperties":false})",
               {R"({"a":1})", R"({"a": 1, "b": "x"})", "{\n  \"a\": 1\n}"}, {"{}", R"({"b":"x"})", R"({"a":1,"c":2})", R"({"a":1,})", R"({"b":"x","a":1})"}},
    SchemaCase{R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"},"c":{"type":"integer"}}})",
               {"{}", R"({"b":1})", R"({"a":1,"c":2})", R"({"a":1,"b":2,"c":3})"}, {R"({"c":1,"a":2})", R"({,"b":1})", R"({"a":1 "b":2})"}},
    SchemaCase{R"({"type":"object","additionalProperties":{"type":"integer"}})", {"{}", R"({"x":1,"y":2})"}, {R"({"x":"1"})"}},
    SchemaCase{R"({"type":"object"})", {"{}", R"({"x":[{"y":null}]})"}, {"[]", "1"}},
    SchemaCase{R"({})", {"1", "[]", R"({"a":[true,{"b":"c"}]})"}, {"", "tru", "[1"}},
    SchemaCase{R"({"anyOf":[{"type":"integer"},{"type":"string"}]})", {"1", "\"a\""}, {"true"}},
    SchemaCase{R"({"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},{"type":"object","properties":{"k":{"const":"b"},"v":{"type":"integer"}},"required":["k","v"]}]})",
               {R"({"k":"a"})", R"({"k":"b","v":1})"}, {R"({"k":"b"})", R"({"k":"c"})"}},
    SchemaCase{R"({"$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["v","next"]}},"$ref":"#/$defs/n"})",
               {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"}, {R"({"v":1})", R"({"v":1,"next":{"v":2}})"}},
    SchemaCase{R"({"type":"integer","nullable":true})", {"1", "null"}, {"\"1\""}}));

TEST(JsonSchema, RefusesWhatItDoesNotUnderstandWithThePlace) {
  EXPECT_EQ(schema_error(R"({"type":"object","properties":{"a":{"type":"string","not":{}}}})").message,
            "schema at #/properties/a/not: keyword \"not\" is not supported");
  for (const char* source : {R"({"type":"number","minimum":0.5})", R"({"type":"number","multipleOf":0.5})", R"({"propertyNames":{"pattern":"a"}})", R"({"oneOf":[{"type":"string"},{"type":"string","maxLength":2}]})", R"({"$ref":"http://x/y"})",
                             R"({"type":"array","uniqueItems":true})", R"({"patternProperties":{}})", R"({"if":{}})", R"({"type":"string","format":"idn-email"})", "false"}) {
    EXPECT_EQ(schema_error(source).code, ErrorCode::kUnsupported) << source;
  }
  for (const char* source : {R"({"type":"strin"})", R"({"type":"array","minItems":3,"maxItems":2})", R"({"enum":[]})", R"({"$ref":"#/$defs/absent"})", R"({"$ref":"#"})",
                             R"({"type":"string","pattern":"("})", R"({"type":"string","pattern":"^a|b$"})", R"({"type":"integer","minimum":3,"maximum":2})", "1"}) {
    EXPECT_EQ(schema_error(source).code, ErrorCode::kInvalidArgument) << source << ": " << schema_error(source).message;
  }
}

// Bounds of all shapes, against what a number is when it is read.
TEST(JsonSchema, BoundsOfNumbersHoldForDoubles) {
  Rng rng(3);
  const std::vector<const char*> fractions = {"", ".0", ".5", ".25", ".000000001", ".999999999", ".9", ".000"};
  for (int round = 0; round < 60; ++round) {
    const int64_t scale = round % 4 == 0 ? 100'000'000 : 13;
    const auto draw = [&] { return static_cast<int64_t>(rng.below(static_cast<uint64_t>(2 * scale))) - scale; };
    int64_t low = draw(), high = draw();
    if (low > high) std::swap(low, high);
    const bool has_low = rng.below(4) != 0, has_high = rng.below(4) != 0, low_excludes = rng.below(2) == 0, high_excludes = rng.below(2) == 0;
    if (low == high) ++high;
    std::string source = R"({"type":"number")";
    if (has_low) source += std::string(low_excludes ? R"(,"exclusiveMinimum":)" : R"(,"minimum":)") + std::to_string(low);
    if (has_high) source += std::string(high_excludes ? R"(,"exclusiveMaximum":)" : R"(,"maximum":)") + std::to_string(high);
    if (!has_low && !has_high) continue;
    const auto grammar = schema(source + "}");
    ASSERT_NE(grammar, nullptr);
    for (const int64_t whole : {low - 1, low, low + 1, (low + high) / 2, high - 1, high, high + 1, int64_t{0}, int64_t{1}}) {
      for (const char* fraction : fractions) {
        for (const bool is_negated : {false, true}) {
          if (is_negated && whole != 0) continue;
          const std::string text = (is_negated ? "-" : "") + std::to_string(whole) + fraction;
          const double value = Json::parse(text)->as_double();
          const bool is_inside = (!has_low || (low_excludes ? value > static_cast<double>(low) : value >= static_cast<double>(low))) &&
                                 (!has_high || (high_excludes ? value < static_cast<double>(high) : value <= static_cast<double>(high)));
          const bool is_minus_zero = value == 0 && text[0] == '-';  // is never written
          const bool has_many_digits = scale > 13 && std::string_view(fraction).size() > 6;
          if (matches(*grammar, text)) EXPECT_TRUE(is_inside) << source << " accepts " << text;
          else EXPECT_TRUE(!is_inside || is_minus_zero || has_many_digits || text == "0.000" || text == "-0.000") << source << " refuses " << text;
        }
      }
    }
  }
}

// A branch may also take null by being nullable, and 1 and 1.0 are one value: both were taken for disjoint.
TEST(JsonSchema, OneOfRefusesHiddenOverlaps) {
  for (const char* source : {R"({"oneOf":[{"type":"string","nullable":true},{"type":"null"}]})", R"({"oneOf":[{"type":"string","nullable":true},{"type":"boolean","nullable":true}]})",
                             R"({"oneOf":[{"type":"object","properties":{"k":{"const":1}},"required":["k"]},{"type":"object","properties":{"k":{"const":1.0}},"required":["k"]}]})"}) {
    EXPECT_EQ(schema_error(source).code, ErrorCode::kUnsupported) << source;
  }
  EXPECT_TRUE(matches(*schema(R"({"oneOf":[{"type":"string","nullable":true},{"type":"boolean"}]})"), "null"));
}

TEST(JsonSchema, EnumBesideConstIsNotIgnored) { EXPECT_EQ(schema_error(R"({"const":1,"enum":[2]})").code, ErrorCode::kUnsupported); }

// Comparing pairs of branches, or names with names, took minutes for a source of a megabyte.
TEST(JsonSchema, ListsThatAreComparedHaveCaps) {
  std::string branches;
  for (int i = 0; i < 300; ++i) branches += (i > 0 ? "," : "") + (R"({"type":"object","properties":{"k":{"const":)" + std::to_string(i)) + R"(}},"required":["k"]})";
  EXPECT_EQ(schema_error("{\"oneOf\":[" + branches + "]}").code, ErrorCode::kUnsupported);
  EXPECT_NE(schema("{\"anyOf\":[" + branches + "]}"), nullptr);
  std::string members;
  for (int i = 0; i < 3000; ++i) members += (i > 0 ? ",\"" : "\"") + std::to_string(i) + "\":{}";
  EXPECT_EQ(schema_error("{\"type\":\"object\",\"properties\":{" + members + "}}").code, ErrorCode::kUnsupported);
}

TEST(JsonSchema, SizeAndDepthHaveCaps) {
  std::string deep = R"({"type":"integer"})";
  for (int i = 0; i < 60; ++i) deep = R"({"type":"array","items":)" + deep + "}";
  EXPECT_TRUE(Grammar::from_json_schema(Json::parse(deep, {500, 1000000}).value()).ok());
  for (int i = 0; i < 100; ++i) deep = R"({"type":"array","items":)" + deep + "}";
  EXPECT_FALSE(Grammar::from_json_schema(Json::parse(deep, {500, 1000000}).value()).ok());
  EXPECT_EQ(schema_error(R"({"type":"array","maxItems":3000})").code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(schema_error(R"({"type":"array","prefixItems":[{"type":"string","maxLength":2000},{"type":"string","maxLength":2000},{"type":"string","maxLength":2000},
                             {"type":"string","maxLength":2000},{"type":"string","maxLength":2000},{"type":"string","maxLength":2000}]})").code,
            ErrorCode::kInvalidArgument);
}

// The item of a list stood twice in the automaton, so each level of nesting doubled it.
TEST(JsonSchema, NestedBoundedListsDoNotMultiply) {
  const auto grammar = schema(R"({"type":"array","maxItems":1000,"items":{"type":"array","maxItems":1000,"items":{"type":"array","maxItems":1000,"items":{"type":"integer"}}}})");
  ASSERT_NE(grammar, nullptr);
  EXPECT_LT(grammar->nfa().nodes.size(), 200'000u);
  EXPECT_TRUE(matches(*grammar, "[[[1],[2, 3]],[]]"));
}

TEST(JsonSchema, PropertiesWithManyOptionalMembersStayLinear) {
  std::string source = R"({"type":"object","properties":{)";
  for (int i = 0; i < 300; ++i) source += (i > 0 ? ",\"p" : "\"p") + std::to_string(i) + R"(":{"type":"boolean"})";
  const auto grammar = schema(source + "}}");
  ASSERT_NE(grammar, nullptr);
  EXPECT_LT(grammar->nfa().nodes.size(), 100'000u);
  EXPECT_TRUE(matches(*grammar, R"({"p3":true,"p299":false})"));
}

struct RegexCase {
  const char* regex;
  std::vector<const char*> valid;
  std::vector<const char*> invalid;
};

TEST(RegexGrammar, MatchesTheWholeText) {
  const std::vector<RegexCase> cases = {
      {"(ab|c)*d?", {"", "abcab", "cd", "d"}, {"a", "dd", "abx"}},
      {"[^a-z]{2,3}", {"AB", "1€2"}, {"a1", "1", "1234"}},
      {"\\d{4}-\\d{2}", {"2024-01"}, {"2024-1", "x024-01"}},
      {"[\\w.]+@[\\w]+", {"a.b@c"}, {"@c", "a@"}},
      {"\\u00e9|\\x41|\\u{1F600}", {"é", "A", "😀"}, {"e"}},
      {".", {"é", "x"}, {"\n", "", "ab"}},
      {"a{0}b", {"b"}, {"ab"}},
      {"(?:x+)+y", {"xxy"}, {"y"}},
      {"(a*)*b", {"b", "aab"}, {"a"}},
  };
  for (const RegexCase& c : cases) {
    const auto grammar = Grammar::from_regex(c.regex);
    ASSERT_TRUE(grammar.ok()) << c.regex << ": " << grammar.error().message;
    for (const char* text : c.valid) EXPECT_TRUE(matches(**grammar, text)) << c.regex << " ~ " << text;
    for (const char* text : c.invalid) EXPECT_FALSE(matches(**grammar, text)) << c.regex << " !~ " << text;
  }
}

TEST(RegexGrammar, RefusesWhatAnAutomatonCannotDo) {
  for (const char* source : {"(?=a)b", "(?<=a)b", "(a)\\1", "a**", "[z-a]", "(", ")", "a{2,1}", "*a", "\\p{L}", "a{9999}", "[]", "a$b", "^a|b", "\\q"}) {
    EXPECT_FALSE(Grammar::from_regex(source).ok()) << source;
  }
}

TEST(Notation, ReadsRulesClassesAndRepetition) {
  const auto grammar = Grammar::from_notation(R"EBNF(
    root ::= item ("," ws item)*   # a list
    item ::= [a-z]{1,3} | "\"" [^"\n]+ "\"" | nested
    nested ::= "(" root ")"
    ws ::= [ \t]*
  )EBNF");
  ASSERT_TRUE(grammar.ok()) << grammar.error().message;
  for (const char* text : {"a", "ab, c", "\"x y\",abc", "(a,(b))"}) EXPECT_TRUE(matches(**grammar, text)) << text;
  for (const char* text : {"", "abcd", "a,", "(a", "\"\""}) EXPECT_FALSE(matches(**grammar, text)) << text;
}

TEST(Notation, RefusesLeftRecursionUndefinedRulesAndSyntaxErrorsWithTheLine) {
  const auto left = Grammar::from_notation("root ::= list\nlist ::= list \",\" \"a\" | \"a\"");
  ASSERT_FALSE(left.ok());
  EXPECT_NE(left.error().message.find("left recursion"), std::string::npos);
  // Through a rule that may be empty.
  EXPECT_FALSE(Grammar::from_notation("root ::= e root \"a\" | \"b\"\ne ::= \"x\"?").ok());
  EXPECT_NE(Grammar::from_notation("root ::= absent").error().message.find("absent"), std::string::npos);
  EXPECT_NE(Grammar::from_notation("root ::= \"a\"\nx ::= (").error().message.find("line 2"), std::string::npos);
  EXPECT_FALSE(Grammar::from_notation("").ok());
  EXPECT_FALSE(Grammar::from_notation("root ::= \"abc").ok());
}

// Nested counts of an empty body add no state, so the cap on states did not stop them: this ran for hours.
TEST(GrammarLimits, CountsOfNothingDoNotMultiply) {
  const std::string counts = "){2000}){2000}){2000}){2000}";
  const auto notation = Grammar::from_notation("root ::= ((((\"\"" + counts + " \"x\"");
  ASSERT_TRUE(notation.ok()) << notation.error().message;
  EXPECT_TRUE(matches(**notation, "x"));
  for (const char* empty : {"", "a{0}", "(|)"}) {
    const auto regex = Grammar::from_regex("((((" + std::string(empty) + counts + "x");
    if (regex.ok()) {
      EXPECT_TRUE(matches(**regex, "x"));
    }
  }
}

// Finding the rules that may be empty took one pass per link of the chain.
TEST(GrammarLimits, ChainsOfEmptyRulesAreLinear) {
  std::string source = "root ::= r0 \"x\"\n";
  for (int i = 0; i < 4000; ++i) source += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + "\n";
  EXPECT_TRUE(Grammar::from_notation(source + "r4000 ::= \"y\"?").ok());
  EXPECT_FALSE(Grammar::from_notation(source + "r4000 ::= \"y\"? root").ok());  // left recursion through all of them
}

TEST(Automaton, RightRecursionNeedsNoStack) {
  const auto grammar = Grammar::from_notation("root ::= \"a\" root | \"b\"").value();
  Automaton automaton(grammar->nfa());
  EXPECT_TRUE(automaton.accepts(automaton.run(automaton.start(), std::string(10'000, 'a') + "b")));
  EXPECT_LT(automaton.n_states(), 10u);
}

TEST(Automaton, NestingHasABound) {
  const auto grammar = Grammar::any_json_object().value();
  Automaton automaton(grammar->nfa());
  const std::string deep = "{\"a\":" + std::string(20, '[');
  EXPECT_NE(automaton.run(automaton.start(), deep), kDeadState);
  EXPECT_EQ(automaton.run(automaton.start(), "{\"a\":" + std::string(2000, '[')), kDeadState);
}

TEST(Automaton, ForcedTextIsWhatMustFollow) {
  const auto grammar = schema(R"({"const":{"name":"x"}})");
  Automaton automaton(grammar->nfa());
  EXPECT_EQ(automaton.forced(automaton.start(), 100), R"({"name":"x"})");
  EXPECT_EQ(automaton.forced(automaton.start(), 3), R"({"n)");
}

// Bytes, and pieces that cross the borders of a grammar.
PieceTokenizer pieces() {
  return PieceTokenizer({"{\"", "\":", "\",\"", "true", "false", "null", "\"}", "},{", "[[", "]]", "123", " \"", "ab", "}", "\xC3\xA9"});
}

TEST(GrammarMasks, AllowExactlyTheTokensThatKeepTheTextAlive) {
  const PieceTokenizer tokenizer = pieces();
  const auto vocabulary = std::make_shared<const GrammarVocabulary>(tokenizer);
  const auto grammar = schema(R"({"type":"array","items":{"type":"object","properties":{"ab":{"type":"boolean"},"n":{"type":"integer"}},"required":["ab"]}})");
  const auto masks = std::make_shared<GrammarMasks>(grammar, vocabulary);
  Automaton oracle(grammar->nfa());
  Rng rng(11);
  GrammarMatcher matcher(masks);
  std::string text;
  for (int step = 0; step < 60 && !matcher.may_end(); ++step) {
    const std::vector<uint64_t> mask(matcher.mask().begin(), matcher.mask().end());
    std::vector<TokenId> allowed;
    for (TokenId id = 0; id < tokenizer.n_vocab(); ++id) {
      const bool in_mask = (mask[static_cast<size_t>(id) / 64] >> (id % 64) & 1) != 0;
      const GrammarState to = oracle.run(oracle.start(), text + std::string(tokenizer.text(id)));
      const bool expected = id == tokenizer.end() ? matcher.may_end() : to != kDeadState;
      ASSERT_EQ(in_mask, expected) << "after " << text << " token " << tokenizer.text(id);
      if (in_mask) allowed.push_back(id);
    }
    ASSERT_FALSE(allowed.empty());
    const TokenId pick = allowed[rng.below(allowed.size())];
    ASSERT_TRUE(matcher.accept(pick));
    text += tokenizer.text(pick);
  }
}

// Whatever a model prefers, what it finishes under the mask parses and satisfies the schema.
TEST(GrammarMasks, RandomWalksEndInJsonThatParses) {
  const PieceTokenizer tokenizer = pieces();
  const auto vocabulary = std::make_shared<const GrammarVocabulary>(tokenizer);
  const auto grammar = schema(R"({"type":"object","properties":{"ab":{"type":"array","items":{"anyOf":[{"type":"integer"},{"type":"string","maxLength":5},{"type":"null"}]},"maxItems":4},
                                  "x":{"type":"object","additionalProperties":{"type":"boolean"}}},"required":["ab"]})");
  const auto masks = std::make_shared<GrammarMasks>(grammar, vocabulary);
  int n_finished = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    GrammarMatcher matcher(masks);
    std::string text;
    for (int step = 0; step < 300; ++step) {
      const auto mask = matcher.mask();
      std::vector<TokenId> allowed;
      for (TokenId id = 0; id < tokenizer.n_vocab(); ++id) {
        // Printable tokens and closing brackets, or most walks would get lost in strings.
        if ((mask[static_cast<size_t>(id) / 64] >> (id % 64) & 1) != 0 && (id < 128 || id >= 256)) allowed.push_back(id);
      }
      ASSERT_FALSE(allowed.empty()) << "seed " << seed << ": stuck after " << text;
      const TokenId pick = matcher.may_end() ? tokenizer.end() : allowed[rng.below(allowed.size())];
      ASSERT_TRUE(matcher.accept(pick));
      if (pick == tokenizer.end()) {
        const auto json = Json::parse(text);
        // A free-form map may repeat a name, which our parser refuses; the grammar cannot remember names.
        const bool repeats = !json.ok() && json.error().message.find("duplicate") != std::string::npos;
        EXPECT_TRUE(json.ok() || repeats) << "seed " << seed << ": " << text << (json.ok() ? "" : json.error().message);
        ++n_finished;
        break;
      }
      text += tokenizer.text(pick);
    }
  }
  EXPECT_GT(n_finished, 50);
}

TEST(GrammarMatcher, RefusedTokenLeavesTheStateAndCopiesAreForks) {
  const PieceTokenizer tokenizer = pieces();
  const auto masks = std::make_shared<GrammarMasks>(schema(R"({"enum":["a","b"]})"), std::make_shared<const GrammarVocabulary>(tokenizer));
  GrammarMatcher one(masks);
  EXPECT_FALSE(one.accept('x'));
  EXPECT_FALSE(one.accept(-1));
  EXPECT_FALSE(one.accept(1 << 20));
  ASSERT_TRUE(one.accept('"'));
  GrammarMatcher two = one;
  EXPECT_TRUE(one.accept('a'));
  EXPECT_TRUE(two.accept('b'));
  EXPECT_TRUE(one.accept('"') && two.accept('"'));
  EXPECT_TRUE(one.may_end() && two.may_end());
}

}  // namespace
}  // namespace firesteel
