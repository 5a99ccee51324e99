// Number markers on the way in and out. The fake vocabulary is bytes; here three of them are control tokens.
#include <gtest/gtest.h>

#include "engine/engine_fixture.h"

namespace firesteel {
namespace {

enum : TokenId { kMarker0 = 1, kMarker1 = 2, kMessageStart = 3 };

class MarkerTokenizer final : public Tokenizer {
 public:
  Status encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>* ids) const override {
    for (size_t i = 0; i < text.size(); ++i) {
      if (options.parse_special && text.substr(i).starts_with("<|im_start|>")) {
        ids->push_back(kMessageStart);
        i += 11;
      } else {
        ids->push_back(static_cast<unsigned char>(text[i]));
      }
    }
    return {};
  }
  void append_piece(TokenId id, bool render_special, std::string* out) const override {
    if (type(id) != TokenType::kControl) return bytes_.append_piece(id, render_special, out);
    if (render_special) *out += text(id);
  }
  std::string decode(std::span<const TokenId> ids, bool render_special) const override {
    std::string out;
    for (const TokenId id : ids) append_piece(id, render_special, &out);
    return out;
  }
  int64_t n_vocab() const override { return bytes_.n_vocab(); }
  TokenType type(TokenId id) const override { return id >= kMarker0 && id <= kMessageStart ? TokenType::kControl : bytes_.type(id); }
  std::string_view text(TokenId id) const override {
    switch (id) {
      case kMarker0: return "<|n0|>";
      case kMarker1: return "<|n1|>";
      case kMessageStart: return "<|im_start|>";
      default: return bytes_.text(id);
    }
  }
  std::optional<TokenId> find(std::string_view stored) const override {
    for (const TokenId id : {kMarker0, kMarker1, kMessageStart}) {
      if (text(id) == stored) return id;
    }
    return bytes_.find(stored);
  }
  std::optional<TokenId> bos() const override { return bytes_.bos(); }
  std::optional<TokenId> eos() const override { return bytes_.eos(); }
  bool adds_bos() const override { return false; }
  bool is_end_of_generation(TokenId id) const override { return bytes_.is_end_of_generation(id); }
  std::string_view kind() const override { return "fake"; }

 private:
  FakeTokenizer bytes_;
};

class NumbersTest : public EngineTest {
 protected:
  Engine& start_with_markers() {
    Metadata metadata;
    metadata.add("kindling.numbers.markers", std::vector<std::string_view>{"<|n0|>", "<|n1|>"});
    metadata.add("kindling.numbers.roles", std::vector<std::string_view>{"user", "tool"});
    Engine::Options options;
    options.kv_bytes_max = 256 * 8192;
    options.n_threads = 1;
    options.numbers = NumberBinding::from_metadata(metadata, *markers_).value();
    std::shared_ptr<const ChatTemplate> chat_template =
        ChatTemplate::compile("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}\n{% endfor %}").value();
    engine_ = Engine::create(model_, markers_, chat_template, options).value();
    return *engine_;
  }
  static GenerateRequest chat(const std::string& text, Json variables = {}) {
    GenerateRequest request = ask("");
    request.prompt = ChatPrompt{Json::Array{Json::Object{{"role", "user"}, {"content", text}}}, {}, std::move(variables)};
    return request;
  }
  void script_after(const std::string& end, std::vector<TokenId> answer) { model_->script_ids(end, std::move(answer)); }

  std::shared_ptr<MarkerTokenizer> markers_ = std::make_shared<MarkerTokenizer>();
};

TEST_F(NumbersTest, PromptsAreMarkedUnlessSwitchedOff) {
  Engine& engine = start_with_markers();
  EXPECT_EQ(engine.encode(chat("a 1,234").prompt).value(),
            (std::vector<TokenId>{kMessageStart, 'u', 's', 'e', 'r', '\n', 'a', ' ', kMarker0, '1', ',', '2', '3', '4', '\n'}));
  EXPECT_EQ(engine.encode(chat("a 1", Json::Object{{"bind_numbers", false}}).prompt).value(),
            (std::vector<TokenId>{kMessageStart, 'u', 's', 'e', 'r', '\n', 'a', ' ', '1', '\n'}));
}

TEST_F(NumbersTest, MarkersInTheAnswerBecomeTheNumbersOfTheTurn) {
  script_after("28?\n", {kMarker0, '-', kMarker1, '!'});
  start_with_markers();
  GenerateRequest request = chat("1,054 less 28?");
  request.sampling.n_top_logprobs = 0;
  const Answer a = answer(std::move(request));
  EXPECT_EQ(a.text, "1054-28!");
  EXPECT_EQ(a.ids, (std::vector<TokenId>{kMarker0, '-', kMarker1, '!'}));  // ids and logprobs are the model's own
  for (const float logprob : a.logprobs) EXPECT_GT(logprob, -0.01f);
  // The same without markers in the prompt.
  EXPECT_EQ(answer(chat("1,054 less 28?", Json::Object{{"bind_numbers", false}})).text, "1054-28!");
}

TEST_F(NumbersTest, AMarkerWithoutANumberIsNothing) {
  script_after("5?\n", {'=', kMarker1, '.'});
  start_with_markers();
  EXPECT_EQ(answer(chat("5?")).text, "=.");
}

TEST_F(NumbersTest, AnUnfinishedCharacterDoesNotSwallowTheNumber) {
  script_after("5?\n", {0xE2, kMarker0, 0xE2, 0x82, 0xAC});
  start_with_markers();
  EXPECT_EQ(answer(chat("5?")).text, "\xEF\xBF\xBD" "5\xE2\x82\xAC");
}

TEST_F(NumbersTest, StopStringsSeeTheNumbers) {
  script_after("54?\n", {'a', kMarker0, 'b', 'c'});
  start_with_markers();
  GenerateRequest request = chat("54?");
  request.stop.strings = {"4b"};
  const Answer a = answer(std::move(request));
  EXPECT_EQ(a.text, "a5");
  EXPECT_EQ(a.done.reason, FinishReason::kStop);
  EXPECT_EQ(a.done.stop_string, "4b");
}

TEST_F(NumbersTest, AConstrainedAnswerHasDigitsOnly) {
  script_after("54?\n", {kMarker0, '7'});
  start_with_markers();
  GenerateRequest request = chat("54?");
  request.constraint = Constraint{Constraint::Kind::kRegex, "[0-9]{2}"};
  const Answer a = answer(std::move(request));
  EXPECT_EQ(a.text.size(), 2u);
  for (const TokenId id : a.ids) EXPECT_TRUE(id >= '0' && id <= '9') << id;
}

TEST_F(NumbersTest, BranchesKnowTheNumbersOfTheirContext) {
  script_after("28?\n+", {kMarker1});
  Engine& engine = start_with_markers();
  auto context = engine.prefill(chat("54 or 28?"));
  ASSERT_TRUE(context.ok());
  BranchRequest branch;
  branch.suffix = RawPrompt{"+"};
  branch.sampling.temperature = 0;
  auto streams = engine.fork(*context, {std::move(branch)});
  ASSERT_TRUE(streams.ok());
  EXPECT_EQ(read_answer((*streams)[0].get()).text, "28");
}

}  // namespace
}  // namespace firesteel
