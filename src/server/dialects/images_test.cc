// Pictures in the bodies of every dialect: read, counted, limited, and refused with the reason.
#include <gtest/gtest.h>

#include "server/dialects/dialect_testing.h"
#include "server/dialects/images.h"

namespace firesteel {
namespace {

const std::string kPicture = "UDYgMiAxIDI1NQphYmNkZWY=";  // a PPM of 2 x 1 pixels: abc, def
const std::string kUri = "data:image/png;base64," + kPicture;  // the bytes decide what it is

struct Form {
  const char* name;
  ParseFn parse;
  Dialect dialect;
  const char* body;   // @: the picture, as this dialect has it
  bool is_uri;
  const char* place;  // of the picture, in errors
};

const Form kForms[] = {
    {"chat", parse_openai_chat, Dialect::kOpenAi,
     R"({"messages":[{"role":"user","content":[{"type":"text","text":"what"},{"type":"image_url","image_url":{"url":"@","detail":"low"}}]}]})", true,
     "messages[0].content[1].image_url"},
    {"responses", parse_openai_responses, Dialect::kOpenAi,
     R"({"input":[{"role":"user","content":[{"type":"input_text","text":"what"},{"type":"input_image","image_url":"@"}]}]})", true,
     "input[0].content[1].image_url"},
    {"anthropic", parse_anthropic_messages, Dialect::kAnthropic,
     R"({"max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"what"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"@"}}]}]})",
     false, "messages[0].content[1].source.data"},
    {"ollama chat", parse_ollama_chat, Dialect::kOllama, R"({"stream":false,"messages":[{"role":"user","content":"what","images":["@"]}]})", false,
     "messages[0].images"},
    {"ollama generate", parse_ollama_generate, Dialect::kOllama, R"({"stream":false,"prompt":"what","images":["@"]})", false, "images"},
};

std::string filled(const Form& form, const std::string& picture) {
  std::string body = form.body;
  return body.replace(body.find('@'), 1, picture);
}

class Images : public ::testing::Test {
 protected:
  void SetUp() override {
    ModelInfo info = generator_.info();
    info.can_see = true;
    info.has_chat_template = true;
    generator_.set_info(info);
  }
  Outcome run(const Form& form, const std::string& picture) {
    return run_exchange(form.parse, post(filled(form, picture)), test_context(&generator_), form.dialect);
  }
  FakeGenerator generator_{[](const FakeGenerator::Question&) -> Result<std::string> { return std::string("a cat"); }};
};

TEST_F(Images, ReachTheGeneratorWithAPartInTheMessage) {
  for (const Form& form : kForms) {
    SCOPED_TRACE(form.name);
    const Outcome outcome = run(form, form.is_uri ? kUri : kPicture);
    ASSERT_EQ(outcome.status, 200) << outcome.body;
    ASSERT_EQ(outcome.requests.size(), 1u);
    const GenerateRequest& request = outcome.requests[0];
    ASSERT_EQ(request.images.size(), 1u);
    EXPECT_EQ(request.images[0]->width, 2);
    EXPECT_EQ(request.images[0]->pixels, (std::vector<uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'}));
    const Json& content = *std::get<ChatPrompt>(request.prompt).messages.as_array().back().find("content");
    ASSERT_TRUE(content.is_array()) << content.dump();
    int n_pictures = 0;
    for (const Json& part : content.as_array()) {
      n_pictures += *part.find("type") == Json("image") ? 1 : 0;
      EXPECT_EQ(part.find("data_uri"), nullptr);
    }
    EXPECT_EQ(n_pictures, 1) << content.dump();
    EXPECT_EQ(generator_.questions().back().images.size(), 1u);
  }
}

TEST_F(Images, AreRefusedWithTheReasonAndThePlace) {
  const std::pair<const char*, const char*> wrong[] = {
      {"R0lGODlhAQ==", "found GIF"},              // not a kind that is read
      {"aGVsbG8=", "expected JPEG, PNG"},         // no picture
      {"UDYgMiAxIDI1NQphYmM=", "truncated"},
      {"UDYgOTk5OSA5OTk5IDI1NQo=", "expected at most 32000000 pixels, found 99980001"},
      {"a*b", "base64"},
      {"", "found no bytes"},
  };
  for (const Form& form : kForms) {
    for (const auto& [data, reason] : wrong) {
      SCOPED_TRACE(std::string(form.name) + " " + data);
      const Outcome outcome = run(form, form.is_uri ? "data:image/png;base64," + std::string(data) : data);
      EXPECT_EQ(outcome.status, 400);
      ASSERT_TRUE(outcome.error.has_value());
      EXPECT_NE(outcome.error->message.find(reason), std::string::npos) << outcome.error->message;
      EXPECT_EQ(outcome.error->param, form.place);
    }
  }
  const Outcome address = run(kForms[0], "https://example.org/cat.png");
  EXPECT_EQ(address.status, 400);
  EXPECT_NE(address.body.find("no connections"), std::string::npos) << address.body;
  const std::string url_source = R"({"max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://example.org"}}]}]})";
  const Outcome url = run_exchange(parse_anthropic_messages, post(url_source), test_context(&generator_), Dialect::kAnthropic);
  EXPECT_EQ(url.status, 400);
  EXPECT_NE(url.body.find("no connections"), std::string::npos) << url.body;
  EXPECT_TRUE(generator_.questions().empty());
}

TEST_F(Images, AModelWithoutVisionSaysSo) {
  ModelInfo info = generator_.info();
  info.can_see = false;
  generator_.set_info(info);
  for (const Form& form : kForms) {
    const Outcome outcome = run(form, form.is_uri ? kUri : kPicture);
    EXPECT_EQ(outcome.status, 400) << form.name;
    EXPECT_NE(outcome.body.find("this model has no vision"), std::string::npos) << outcome.body;
  }
}

TEST_F(Images, OnlyUsersHaveThem) {
  const std::pair<ParseFn, std::string> bodies[] = {
      {parse_openai_chat, R"({"messages":[{"role":"system","content":[{"type":"image_url","image_url":{"url":"@"}}]},{"role":"user","content":"q"}]})"},
      {parse_openai_responses, R"({"input":[{"role":"assistant","content":[{"type":"input_image","image_url":"@"}]}]})"},
      {parse_anthropic_messages, R"({"max_tokens":9,"messages":[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"image","source":{}}]},{"role":"user","content":"q"}]})"},
      {parse_ollama_chat, R"({"messages":[{"role":"assistant","content":"q","images":["@"]}]})"},
  };
  for (const auto& [parse, body] : bodies) {
    const Outcome outcome = run_exchange(parse, post(body), test_context(&generator_), Dialect::kOpenAi);
    EXPECT_EQ(outcome.status, 400) << body;
    EXPECT_NE(outcome.body.find("user"), std::string::npos) << outcome.body;
  }
}

TEST_F(Images, HaveALimitTogether) {
  std::string parts;
  for (size_t i = 0; i <= kImagesMax; ++i) parts += std::string(i > 0 ? "," : "") + R"({"type":"image_url","image_url":{"url":")" + kUri + "\"}}";
  const Outcome outcome = run_exchange(parse_openai_chat, post(R"({"messages":[{"role":"user","content":[)" + parts + "]}]}"), test_context(&generator_), Dialect::kOpenAi);
  EXPECT_EQ(outcome.status, 400);
  EXPECT_NE(outcome.body.find("expected at most 16 in a request"), std::string::npos) << outcome.body;

  RequestImages images{.can_see = true, .n_pixels = kRequestPixelsMax - 1};
  const Status status = add_image_uri(kUri, &images);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("at most 1 pixels, found 2 (2 x 1 pixels) (what the images before it leave"), std::string::npos) << status.error().message;
  images.n_pixels = kRequestPixelsMax - 2;
  EXPECT_TRUE(add_image_uri(kUri, &images).ok());
}

class OneResponse final : public ResponseStore {
 public:
  Result<Stored> find(const std::string&) override {
    if (!stored) return Error{ErrorCode::kNotFound, "no such response"};
    return *stored;
  }
  void commit(std::function<void(Status)> done) override { done({}); }
  void put(const std::string&, Stored value) override { stored = std::move(value); }
  Status erase(const std::string&) override { return Error{ErrorCode::kNotFound, "no such response"}; }
  std::optional<Stored> stored;
};

TEST_F(Images, OfAStoredResponseAreSeenAgain) {
  ExchangeContext context = test_context(&generator_);
  const auto store = std::make_shared<OneResponse>();
  context.responses = store;
  ASSERT_EQ(run_exchange(parse_openai_responses, post(filled(kForms[1], kUri)), context, Dialect::kOpenAi).status, 200);
  ASSERT_TRUE(store->stored.has_value());
  const Outcome second = run_exchange(parse_openai_responses, post(R"({"input":"and now?","previous_response_id":"resp_x"})"), context, Dialect::kOpenAi);
  ASSERT_EQ(second.status, 200) << second.body;
  EXPECT_EQ(second.requests[0].images.size(), 1u);
  EXPECT_EQ(std::get<ChatPrompt>(second.requests[0].prompt).messages.dump().find("data_uri"), std::string::npos);
}

}  // namespace
}  // namespace firesteel
