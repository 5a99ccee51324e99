// Against servers made of a socket, with TLS and without.
#include "net/http_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <thread>

#include "base/clock.h"

namespace firesteel {
namespace {

// One connection, handed to `serve` on a thread of its own; the socket is closed after it.
class Server {
 public:
  explicit Server(std::function<void(int fd)> serve) {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
    socklen_t size = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this, serve = std::move(serve)] {
      const int client = ::accept(fd_, nullptr, nullptr);
      if (client < 0) return;
      const timeval timeout{20, 0};
      setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
      serve(client);
      ::close(client);
    });
  }
  ~Server() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  HttpUrl url(const std::string& path = "/x", const std::string& scheme = "http://127.0.0.1:") const { return parse_http_url(scheme + port_ + path).value(); }

 private:
  int fd_ = -1;
  std::string port_;
  std::thread thread_;
};

std::string read_until(int fd, std::string_view end) {
  std::string text;
  char byte = 0;
  while (!text.ends_with(end) && ::recv(fd, &byte, 1, 0) == 1) text += byte;
  return text;
}

void send_all(int fd, std::string_view text) { EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size())); }

TEST(HttpClient, SendsWhatItWasGivenAndNothingElse) {
  std::string seen;
  Result<HttpClientReply> reply = HttpClientReply();
  {
    Server server([&](int fd) {
      seen = read_until(fd, "body");
      for (const char* const piece : {"HTTP/1.1 2", "01 Made\r\nContent-Le", "ngth: 5\r\n\r\nhe", "llo"}) send_all(fd, piece);
    });
    HttpClientRequest request;
    request.headers = {{"X-A", "b"}};
    request.body = "a body";
    reply = http_post(server.url("/p?q=1"), request);
    const size_t port_at = seen.find("127.0.0.1:");
    ASSERT_NE(port_at, std::string::npos);
    seen.replace(port_at, seen.find("\r\n", port_at) - port_at, "HOST");
  }
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status, 201);
  EXPECT_EQ(reply->body, "hello");
  EXPECT_EQ(seen, "POST /p?q=1 HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\nContent-Length: 6\r\nX-A: b\r\n\r\na body");
}

TEST(HttpClient, WhatGoesWrongIsAnErrorInTime) {
  const auto code_of = [](const std::function<void(int)>& serve, HttpClientRequest request) {
    Server server(serve);
    const auto reply = http_post(server.url(), request);
    return reply.ok() ? ErrorCode::kInternal : reply.error().code;
  };
  const auto silent = [](int fd) { read_until(fd, "until the client leaves"); };
  EXPECT_EQ(code_of(silent, {.timeout_ms = 30}), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(code_of(silent, {.cancelled = [] { return true; }}), ErrorCode::kCancelled);
  const auto says = [](std::string_view answer) {
    return [answer](int fd) {
      read_until(fd, "\r\n\r\n");
      send_all(fd, answer);
    };
  };
  EXPECT_EQ(code_of(says("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n"), {.body_bytes_max = 10}), ErrorCode::kResourceExhausted);
  EXPECT_EQ(code_of(says("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nabc"), {}), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(says("SSH-2.0-x\r\n\r\n"), {}), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(says(""), {}), ErrorCode::kDataLoss);
  HttpUrl nobody;
  {
    Server server(silent);
    nobody = server.url();
  }
  EXPECT_EQ(http_post(nobody, {}).error().code, ErrorCode::kUnavailable);
  for (const auto& bad : {std::pair<std::string, std::string>{"X", "a\r\nY: b"}, {"X: y", "a"}, {"", "a"}, {"X\n", "a"}}) {
    EXPECT_EQ(http_post(nobody, {.headers = {bad}}).error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(HttpClient, AddressesAreReadStrictly) {
  const auto said = [](const char* text) {
    const HttpUrl url = parse_http_url(text, 7).value();
    return std::string(url.tls ? "tls " : "") + authority_of(url) + " " + std::to_string(url.port) + " " + url.path;
  };
  EXPECT_EQ(said("http://a/b?c"), "a:7 7 /b?c");
  EXPECT_EQ(said("http://a:80?c"), "a 80 /?c");
  EXPECT_EQ(said("https://[::1]"), "tls [::1] 443 /");
  EXPECT_EQ(said("https://[::1]:9/x"), "tls [::1]:9 9 /x");
  for (const char* const wrong : {"", "a", "ftp://a", "http://", "http://:9", "http://a:", "http://a:0", "http://a:65536", "http://a:9x", "http://u@a", "http://a#b", "http://a b", "http://a\r\nb",
                                  "http://[::1", "http://[::1]x", "http://[]"}) {
    EXPECT_FALSE(parse_http_url(wrong).ok()) << wrong;
  }
}

// As EVP_EC_gen, which casts const away.
EVP_PKEY* new_p256_key() {
  char curve[] = "P-256";
  return EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve);
}

struct Identity {
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key{new_p256_key(), EVP_PKEY_free};
  std::unique_ptr<X509, void (*)(X509*)> certificate{X509_new(), X509_free};
};

// Signed by itself, for the names of `alternatives` ("IP:127.0.0.1").
Identity make_identity(const char* alternatives) {
  Identity made;
  X509* const x = made.certificate.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -60);
  X509_gmtime_adj(X509_getm_notAfter(x), 3600);
  X509_set_pubkey(x, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(x, X509_get_subject_name(x));
  X509_EXTENSION* const names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, alternatives);
  X509_add_ext(x, names, -1);
  X509_EXTENSION_free(names);
  X509_sign(x, made.key.get(), EVP_sha256());
  return made;
}

// Shakes hands, reads a request, answers "hi"; "" when the client did not want it.
std::function<void(int)> over_tls(const Identity& identity) {
  return [&identity](int fd) {
    const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    SSL_CTX_use_certificate(context.get(), identity.certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), identity.key.get());
    const std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(context.get()), SSL_free);
    SSL_set_fd(ssl.get(), fd);
    if (SSL_accept(ssl.get()) != 1) return;
    char bytes[4096];
    if (SSL_read(ssl.get(), bytes, sizeof bytes) <= 0) return;
    constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    SSL_write(ssl.get(), kAnswer.data(), static_cast<int>(kAnswer.size()));
    SSL_shutdown(ssl.get());
  };
}

TEST(HttpClient, TlsTrustsOnlyWhomTheSystemTrustsAndOnlyUnderItsName) {
  signal(SIGPIPE, SIG_IGN);  // of the servers here
  const std::string folder = ::testing::TempDir() + "net_tls_" + std::to_string(::getpid());
  std::filesystem::create_directory(folder);
  const Identity trusted = make_identity("IP:127.0.0.1,DNS:localhost"), stranger = make_identity("IP:127.0.0.1,DNS:localhost"), elsewhere = make_identity("DNS:example.org");
  std::FILE* const file = std::fopen((folder + "/roots.pem").c_str(), "w");
  ASSERT_NE(file, nullptr);
  PEM_write_X509(file, trusted.certificate.get());
  PEM_write_X509(file, elsewhere.certificate.get());
  std::fclose(file);
  ::setenv("SSL_CERT_FILE", (folder + "/roots.pem").c_str(), 1);  // read with the first connection of the process
  for (const char* const scheme : {"https://127.0.0.1:", "https://localhost:"}) {
    Server server(over_tls(trusted));
    const auto reply = http_post(server.url("/x", scheme), {.body = "b"});
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    EXPECT_EQ(reply->body, "hi");
  }
  for (const Identity* const wrong : {&stranger, &elsewhere}) {
    Server server(over_tls(*wrong));
    const auto reply = http_post(server.url("/x", "https://127.0.0.1:"), {.body = "b"});
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(reply.error().message.find("certificate verify failed"), std::string::npos) << reply.error().message;
  }
  Server plain([](int fd) { send_all(fd, "HTTP/1.1 400 Bad\r\n\r\n"); });
  EXPECT_EQ(http_post(plain.url("/x", "https://127.0.0.1:"), {}).error().code, ErrorCode::kUnavailable);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace firesteel
