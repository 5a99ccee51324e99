#include "server/api_error.h"

#include <gtest/gtest.h>

#include "base/json.h"

namespace firesteel {
namespace {

const std::string* header(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

Json body(const ApiError& error, Dialect dialect) {
  auto json = Json::parse(error_body(error, dialect, "req_1"));
  EXPECT_TRUE(json.ok());
  return json.ok() ? *json : Json();
}

TEST(ApiError, EachDialectSaysItItsWay) {
  const ApiError error{.kind = ApiErrorKind::kInvalidRequest, .message = "top_p: \"x\"", .param = "top_p"};
  EXPECT_EQ(error_body(error, Dialect::kOpenAi, "req_1"),
            R"({"error":{"message":"top_p: \"x\"","type":"invalid_request_error","param":"top_p","code":null}})");
  EXPECT_EQ(error_body(error, Dialect::kAnthropic, "req_1"),
            R"({"type":"error","error":{"type":"invalid_request_error","message":"top_p: \"x\""},"request_id":"req_1"})");
  EXPECT_EQ(error_body(error, Dialect::kOllama, "req_1"), R"({"error":"top_p: \"x\""})");
}

TEST(ApiError, OverloadHasTheStatusThatClientsOfTheDialectRetry) {
  EXPECT_EQ(http_status(ApiErrorKind::kOverloaded, Dialect::kOpenAi), 429);
  EXPECT_EQ(http_status(ApiErrorKind::kOverloaded, Dialect::kAnthropic), 529);
  EXPECT_EQ(http_status(ApiErrorKind::kOverloaded, Dialect::kOllama), 503);
}

TEST(ApiError, RetryAfterIsRoundedUpAndQuotaIsNotRetried) {
  ApiError error{.kind = ApiErrorKind::kRateLimited, .message = "m", .retry_after_ms = 1001};
  HttpResponse response = error_response(error, Dialect::kOpenAi, "req_1");
  EXPECT_EQ(response.status, 429);
  EXPECT_EQ(response.headers.front().first, "content-type");
  EXPECT_EQ(*header(response, "retry-after"), "2");
  EXPECT_EQ(*header(response, "retry-after-ms"), "1001");
  EXPECT_EQ(header(response, "x-should-retry"), nullptr);
  error.kind = ApiErrorKind::kQuotaExhausted;
  EXPECT_EQ(*header(error_response(error, Dialect::kOpenAi, "r"), "x-should-retry"), "false");
}

TEST(ApiError, InternalErrorsTellNothing) {
  for (const ErrorCode code : {ErrorCode::kInternal, ErrorCode::kIo, ErrorCode::kDataLoss}) {
    const ApiError error = to_api_error({code, "disk nvme0n1: secret"});
    EXPECT_EQ(error.kind, ApiErrorKind::kInternal);
    EXPECT_EQ(error.message.find("secret"), std::string::npos);
  }
}

TEST(ApiError, EngineRefusalsNameTheParameter) {
  EXPECT_EQ(to_api_error({ErrorCode::kInvalidArgument, "top_p: expected 0 to 1, found 2"}).param, "top_p");
  EXPECT_EQ(to_api_error({ErrorCode::kInvalidArgument, "stop strings: one is empty"}).param, "");
  const ApiError error = to_api_error({ErrorCode::kInvalidArgument, "prompt: too long: 9 tokens, the context holds 8"});
  EXPECT_EQ(error.code, "context_length_exceeded");
  EXPECT_EQ(*body(error, Dialect::kOpenAi).find("error")->find("code"), Json("context_length_exceeded"));
}

}  // namespace
}  // namespace firesteel
