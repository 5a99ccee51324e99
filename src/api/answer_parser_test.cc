#include "api/answer_parser.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace firesteel {
namespace {

using Kind = AnswerDelta::Kind;

// "T:text|R:reasoning|C0:name|A0:arguments", neighbours of a kind joined.
std::string told(const std::vector<AnswerDelta>& deltas) {
  std::string out;
  std::string last;
  for (const AnswerDelta& delta : deltas) {
    std::string head = delta.kind == Kind::kText ? "T" : delta.kind == Kind::kReasoning ? "R" : delta.kind == Kind::kCallBegin ? "C" : "A";
    if (delta.kind == Kind::kCallBegin || delta.kind == Kind::kCallArguments) head += std::to_string(delta.call_idx);
    if (head != last || delta.kind == Kind::kCallBegin) out += (out.empty() ? "" : "|") + head + ":";
    out += delta.text;
    last = head;
  }
  return out;
}

struct Piece {
  std::string text;
  bool thinking = false;
};

std::string parse(const AnswerFormat& format, const std::vector<Piece>& pieces) {
  AnswerParser parser(format);
  std::vector<AnswerDelta> deltas;
  for (const Piece& piece : pieces) parser.push(piece.text, piece.thinking, &deltas);
  parser.finish(&deltas);
  return told(deltas);
}

// However the text is cut, the same is told.
std::string parse_any_cut(const AnswerFormat& format, const std::string& text) {
  const std::string whole = parse(format, {{text}});
  Rng rng(7);
  for (int round = 0; round < 40; ++round) {
    std::vector<Piece> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t n = round == 0 ? 1 : 1 + rng.below(9);
      pieces.push_back({text.substr(at, n)});
      at += n;
    }
    const std::string cut = parse(format, pieces);
    EXPECT_EQ(cut, whole) << "text: " << text << ", round " << round;
    if (cut != whole) break;
  }
  return whole;
}

const AnswerFormat kTools{.tools = true, .tool_names = {"f", "g"}};

TEST(AnswerParser, PlainTextPassesUnchanged) {
  EXPECT_EQ(parse_any_cut({}, "Hello, <b>world</b> {\"name\": 1} \xE2\x82\xAC "), "T:Hello, <b>world</b> {\"name\": 1} \xE2\x82\xAC ");
  EXPECT_EQ(parse_any_cut({}, " leading space"), "T: leading space");
  EXPECT_EQ(parse_any_cut({}, ""), "");
}

TEST(AnswerParser, ThinkingIsApart) {
  EXPECT_EQ(parse_any_cut({}, "<think>\na < b </thin\n</think>\n\nYes."), "R:a < b </thin|T:Yes.");
  EXPECT_EQ(parse_any_cut({}, "<think>\n\n</think>\n\nYes."), "T:Yes.");
  EXPECT_EQ(parse_any_cut({}, "<think>never ends  "), "R:never ends");
  EXPECT_EQ(parse_any_cut({}, "I <think> not</think>"), "T:I <think> not</think>");
}

TEST(AnswerParser, ThinkingThatThePromptOpened) {
  EXPECT_EQ(parse({}, {{"So", true}, {" it is", true}, {"</think>", true}, {"\n\nYes", false}}), "R:So it is|T:Yes");
  // Markers without text of their own.
  EXPECT_EQ(parse({}, {{"So", true}, {" it is\n", true}, {"Yes", false}, {".", false}}), "R:So it is|T:Yes.");
  // The end marker was held back and comes with the text after it.
  EXPECT_EQ(parse({}, {{"So", true}, {" it is\n", true}, {"</think>\nYes", false}}), "R:So it is|T:Yes");
}

TEST(AnswerParser, HermesCalls) {
  EXPECT_EQ(parse_any_cut(kTools, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, \"}\"]}}\n</tool_call>"), "C0:f|A0:{\"a\":[1,\"}\"]}");
  EXPECT_EQ(parse_any_cut(kTools, "Let me see.\n\n<tool_call>{\"name\": \"f\", \"arguments\": {}}</tool_call>\n<tool_call>\n{\"arguments\": {\"x\": 1}, \"name\": \"g\"}\n</tool_call>\n"),
            "T:Let me see.|C0:f|A0:{}|C1:g|A1:{\"x\":1}");
  EXPECT_EQ(parse_any_cut(kTools, "<think>hm</think>\n<tool_call>{\"name\": \"f\"}</tool_call>"), "R:hm|C0:f|A0:{}");
  // A stop string took the end marker.
  EXPECT_EQ(parse_any_cut(kTools, "<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n"), "C0:f|A0:{}");
  EXPECT_EQ(parse_any_cut(kTools, "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 2}\"}</tool_call> after"), "C0:f|A0:{\"a\":2}|T:after");
}

TEST(AnswerParser, BrokenCallsAreText) {
  for (const char* text : {"<tool_call>{\"name\": \"f\", \"arguments\": {</tool_call>", "<tool_call>hello</tool_call>", "<tool_call>", "<tool_call>\n",
                           "<tool_call>{\"name\": 3}</tool_call>", "<tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>",
                           "a <tool_call>{\"name\": \"f\", nonsense}</tool_call> b", "{\"name\": \"unknown\", \"parameters\": {}}",
                           "{\"answer\": 42}", "{not json", "[1, 2, 3]", "[{\"x\": 1}]", "[TOOL_CALLS] hello { there", "[TOOL_CALLS]f[ARGS]{\"a\": ",
                           "{\"name\": \"f\", \"parameters\": {\"a\"", "<|python_tag|>print(1)", "[TOOL_CALLS"}) {
    EXPECT_EQ(parse_any_cut(kTools, text), "T:" + std::string(text));
  }
}

TEST(AnswerParser, LlamaCalls) {
  EXPECT_EQ(parse_any_cut(kTools, "{\"name\": \"f\", \"parameters\": {\"q\": \"\xC3\xA9\"}}"), "C0:f|A0:{\"q\":\"\xC3\xA9\"}");
  EXPECT_EQ(parse_any_cut(kTools, "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}"), "C0:f|A0:{}|C1:g|A1:{}");
  EXPECT_EQ(parse_any_cut(kTools, "{\"type\": \"function\", \"name\": \"g\", \"parameters\": {\"a\": 1}}"), "C0:g|A0:{\"a\":1}");
}

TEST(AnswerParser, MistralCalls) {
  EXPECT_EQ(parse_any_cut(kTools, "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}}, {\"name\": \"g\", \"arguments\": {}}]"), "C0:f|A0:{\"a\":1}|C1:g|A1:{}");
  EXPECT_EQ(parse_any_cut(kTools, "[{\"name\": \"f\", \"arguments\": {\"a\": 1}}]"), "C0:f|A0:{\"a\":1}");
  EXPECT_EQ(parse_any_cut(kTools, "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[CALL_ID]123456789[ARGS]{}"), "C0:f|A0:{\"a\":1}|C1:g|A1:{}");
}

TEST(AnswerParser, OnlyTheFirstCallWhenNotParallel) {
  AnswerFormat format = kTools;
  format.parallel = false;
  EXPECT_EQ(parse_any_cut(format, "<tool_call>{\"name\": \"f\"}</tool_call><tool_call>{\"name\": \"g\"}</tool_call>"), "C0:f|A0:{}");
}

TEST(AnswerParser, ConstrainedCallIsToldAsItComes) {
  AnswerFormat format = kTools;
  format.only_call = true;
  EXPECT_EQ(parse_any_cut(format, "{\"name\": \"f\", \"arguments\": {\"a\": \"x}\\\"\", \"b\": [1, {}]}}"), "C0:f|A0:{\"a\": \"x}\\\"\", \"b\": [1, {}]}");
  EXPECT_EQ(parse_any_cut(format, "<think>well</think>\n\n{\"name\":\"f\",\"arguments\":{\"name\":\"g\"}}"), "R:well|C0:f|A0:{\"name\":\"g\"}");
  EXPECT_EQ(parse_any_cut(format, "{\"name\": \"f\", \"arguments\": {\"a\": 1"), "C0:f|A0:{\"a\": 1");
  EXPECT_EQ(parse_any_cut(format, "not a call {"), "T:not a call {");
  AnswerParser parser(format);
  std::vector<AnswerDelta> deltas;
  parser.push("{\"name\": \"f\", \"arguments\": {\"a\"", false, &deltas);
  EXPECT_EQ(told(deltas), "C0:f|A0:{\"a\"");
}

TEST(AnswerParser, CharactersAreNeverSplit) {
  AnswerParser parser({});
  std::vector<AnswerDelta> deltas;
  parser.push("a\xE2", false, &deltas);
  parser.push("\x82", false, &deltas);
  EXPECT_EQ(told(deltas), "T:a");
  parser.push("\xAC", false, &deltas);
  EXPECT_EQ(told(deltas), "T:a\xE2\x82\xAC");
}

TEST(AnswerParser, AnswersMadeOfMarkersAreNotReadAgainAndAgain) {
  std::string text;
  for (int i = 0; i < 50000; ++i) text += "<tool_call>{";
  EXPECT_EQ(parse(kTools, {{text}}), "T:" + text);
  std::string closed = text + std::string(50000, '}');
  EXPECT_EQ(parse(kTools, {{closed}}), "T:" + closed);
}

// Random texts from the pieces that matter: no crash, and the cut does not matter.
TEST(AnswerParser, AnyCutOfAnyText) {
  const std::vector<std::string> parts = {"<think>", "</think>", "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "{", "}", "[", "]", "\"name\"",
                                          ": ", "\"f\"", ", ", "\"arguments\"", "\"parameters\"", "\n", " ", ";", "text", "\xE2\x82\xAC", "\\\"", "[ARGS]", "f",
                                          "{\"name\": \"f\", \"arguments\": {}}", "{\"name\": \"g\", \"parameters\": {\"a\": 1}}"};
  for (uint64_t seed = 0; seed < 400; ++seed) {
    Rng rng(seed);
    std::string text;
    for (uint64_t n = rng.below(12); n > 0; --n) text += parts[rng.below(parts.size())];
    AnswerFormat format = kTools;
    format.only_call = seed % 7 == 0;
    format.tools = seed % 5 != 0;
    parse_any_cut(format, text);
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

}  // namespace
}  // namespace firesteel
