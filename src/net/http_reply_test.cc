#include "net/http_reply.h"

#include <gtest/gtest.h>

#include <string>

namespace firesteel {
namespace {

// However the bytes are cut, the same comes out.
TEST(HttpReply, AnswersDoNotDependOnPieces) {
  const std::string http = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n";
  for (size_t cut = 1; cut < 20; ++cut) {
    HttpReplyReader answer(1000);
    std::string body;
    for (size_t at = 0; at < http.size(); at += cut) ASSERT_TRUE(answer.push(std::string_view(http).substr(at, cut), &body).ok());
    EXPECT_TRUE(answer.done());
    EXPECT_EQ(answer.status(), 200);
    EXPECT_EQ(body, "abc0123456789");
    EXPECT_EQ(*answer.header("content-type"), "text/plain");
  }
}

TEST(HttpReply, StrangeAnswersAreRefused) {
  for (const char* const bad : {"HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "HTTP/1.1 200 OK\r\n folded\r\n\r\n",
                                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"}) {
    HttpReplyReader reader(1000);
    std::string body;
    const Status status = reader.push(bad, &body);
    EXPECT_FALSE(status.ok()) << bad;
  }
  HttpReplyReader cut(1000);
  std::string body;
  ASSERT_TRUE(cut.push("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", &body).ok());
  EXPECT_FALSE(cut.end().ok());
}

}  // namespace
}  // namespace firesteel
