#include "api/fake_generator.h"

#include <gtest/gtest.h>

#include <string>

namespace firesteel {
namespace {

std::string read_all(TokenStream* stream, FinishReason* reason) {
  std::string text;
  while (auto event = stream->next()) {
    text += event->text;
    if (event->kind == GenerateEvent::Kind::kDone) *reason = event->reason;
  }
  return text;
}

TEST(FakeGenerator, AnswersWordByWordAndEndsOnce) {
  FakeGenerator fake([](const FakeGenerator::Question& q) -> Result<std::string> { return "you said " + q.prompt; });
  GenerateRequest request;
  request.prompt = RawPrompt{"hello  there"};
  auto stream = fake.submit(request).value();
  FinishReason reason = FinishReason::kError;
  EXPECT_EQ(read_all(stream.get(), &reason), "you said hello  there");
  EXPECT_EQ(reason, FinishReason::kStop);
  EXPECT_FALSE(stream->next().has_value());
  request.stop.max_tokens = 2;
  stream = fake.submit(request).value();
  EXPECT_EQ(read_all(stream.get(), &reason), "you said");
  EXPECT_EQ(reason, FinishReason::kLength);
  stream = fake.submit(request).value();
  stream->cancel();
  EXPECT_EQ(read_all(stream.get(), &reason), "");
  EXPECT_EQ(reason, FinishReason::kCancelled);
}

TEST(FakeGenerator, BranchesSeeTheContext) {
  FakeGenerator fake;
  GenerateRequest request;
  request.prompt = RawPrompt{"a b"};
  const auto context = fake.prefill(request).value();
  EXPECT_EQ(context->n_tokens(), 2);
  auto streams = fake.fork(context, {{RawPrompt{" c"}, {}, {}}, {RawPrompt{" d"}, {}, {}}}).value();
  FinishReason reason = FinishReason::kError;
  EXPECT_EQ(read_all(streams[1].get(), &reason), "a b d");
  EXPECT_EQ(fake.questions().size(), 2u);
}

TEST(FakeGenerator, WordsAreTokens) {
  FakeGenerator fake;
  const auto ids = fake.tokenize(RawPrompt{"one two one"}).value();
  EXPECT_EQ(ids, (std::vector<TokenId>{0, 1, 2}));
  EXPECT_EQ(fake.token_text(1), " two");
  EXPECT_EQ(fake.detokenize(ids).value(), "one two one");
  EXPECT_EQ(fake.count_tokens(TokenPrompt{{0, 1}}).value(), 2);
  EXPECT_FALSE(fake.detokenize(std::vector<TokenId>{-1}).ok());
  EXPECT_EQ(fake.token_text(-1), "");
  const auto a = fake.embed(RawPrompt{"a"}).value();
  EXPECT_EQ(a, fake.embed(RawPrompt{"a"}).value());
  EXPECT_NE(a, fake.embed(RawPrompt{"b"}).value());
}

TEST(FakeGenerator, ThinkingAndStopStrings) {
  FakeGenerator fake([](const FakeGenerator::Question&) -> Result<std::string> { 
    return std::string("<think>so so</think>the answer STOP x");
  });
  GenerateRequest request;
  request.prompt = RawPrompt{"q"};
  request.stop.strings = {"x", "STOP"};
  auto stream = fake.submit(request).value();
  std::string thinking, text;
  while (auto event = stream->next()) {
    (event->thinking ? thinking : text) += event->text;
    if (event->kind == GenerateEvent::Kind::kDone) {
      EXPECT_EQ(event->stop_string, "STOP");
    }
  }
  EXPECT_EQ(thinking, "so so");
  EXPECT_EQ(text, "the answer ");
}

}  // namespace
}  // namespace firesteel
