// TLS without sockets: a client of OpenSSL against ours, bytes passed by hand in pieces.
#include "server/tls.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstdio>
#include <memory>

#include "base/mapped_file.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

// A self-signed certificate and its key as PEM files.
void write_certificate(const std::string& certificate_path, const std::string& key_path) {
  char curve[] = "P-256";  // EVP_EC_gen casts const away
  EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve);
  X509* certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key);
  X509_NAME* name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_sign(certificate, key, EVP_sha256());
  std::FILE* file = std::fopen(certificate_path.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  file = std::fopen(key_path.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

class Client {
 public:
  explicit Client(int version_max = TLS1_3_VERSION) : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_, version_max);
    SSL_CTX_set_security_level(context_, 0);
    ssl_ = SSL_new(context_);
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_);
  }
  ~Client() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  void take(std::string_view bytes) { BIO_write(SSL_get_rbio(ssl_), bytes.data(), static_cast<int>(bytes.size())); }
  std::string give() {
    char buffer[64 << 10];
    const int n = BIO_read(SSL_get_wbio(ssl_), buffer, sizeof buffer);
    return n > 0 ? std::string(buffer, static_cast<size_t>(n)) : std::string();
  }
  SSL* ssl() { return ssl_; }

 private:
  SSL_CTX* context_;
  SSL* ssl_;
};

class Tls : public ::testing::Test {
 protected:
  void SetUp() override {
    write_certificate(folder_.file("cert.pem"), folder_.file("key.pem"));
    context_ = TlsContext::load(folder_.file("cert.pem"), folder_.file("key.pem")).value();
  }
  // Passes bytes both ways until the handshake is over or broken, `piece` bytes at a time.
  static bool shake_hands(Client* client, TlsSession* session, size_t piece) {
    std::string plain, to_client;
    for (int i = 0; i < 20; ++i) {
      const int done = SSL_do_handshake(client->ssl());
      const std::string to_server = client->give();
      for (size_t at = 0; at < to_server.size(); at += piece) {
        if (session->receive(std::string_view(to_server).substr(at, piece), &plain, &to_client) != TlsSession::State::kOpen) return false;
      }
      client->take(to_client);
      to_client.clear();
      if (done == 1 && to_server.empty()) return plain.empty();
    }
    return false;
  }
  TestFolder folder_;
  std::shared_ptr<TlsContext> context_;
};

TEST_F(Tls, TextGoesBothWaysHoweverItIsCut) {
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{100'000}}) {
    SCOPED_TRACE(piece);
    Client client;
    TlsSession session(context_);
    std::string ignored;
    EXPECT_FALSE(session.send("too early", &ignored));
    ASSERT_TRUE(shake_hands(&client, &session, piece));
    const std::string question(40'000, 'q'), answer(300'000, 'a');
    SSL_write(client.ssl(), question.data(), static_cast<int>(question.size()));
    std::string plain, to_client;
    const std::string to_server = client.give();
    for (size_t at = 0; at < to_server.size(); at += piece) {
      ASSERT_EQ(session.receive(std::string_view(to_server).substr(at, piece), &plain, &to_client), TlsSession::State::kOpen);
    }
    EXPECT_EQ(plain, question);
    ASSERT_TRUE(session.send(answer, &to_client));
    client.take(to_client);
    std::string got(answer.size(), '\0');
    for (size_t n = 0; n < got.size();) {
      const int read = SSL_read(client.ssl(), got.data() + n, static_cast<int>(got.size() - n));
      ASSERT_GT(read, 0);
      n += static_cast<size_t>(read);
    }
    EXPECT_EQ(got, answer);
    SSL_shutdown(client.ssl());
    to_client.clear();
    EXPECT_EQ(session.receive(client.give(), &plain, &to_client), TlsSession::State::kClosed);
  }
}

TEST_F(Tls, OldVersionsAndPlainTextAreRefused) {
  Client old(TLS1_1_VERSION);
  TlsSession session(context_);
  EXPECT_FALSE(shake_hands(&old, &session, 100'000));
  TlsSession plain_session(context_);
  std::string plain, to_client;
  EXPECT_EQ(plain_session.receive("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &plain, &to_client), TlsSession::State::kFailed);
  EXPECT_TRUE(plain.empty());
}

TEST_F(Tls, FilesThatDoNotFitAreNamed) {
  EXPECT_EQ(TlsContext::load(folder_.file("absent.pem"), folder_.file("key.pem")).error().code, ErrorCode::kInvalidArgument);
  write_certificate(folder_.file("cert2.pem"), folder_.file("key2.pem"));
  const Result<std::shared_ptr<TlsContext>> mixed = TlsContext::load(folder_.file("cert.pem"), folder_.file("key2.pem"));
  ASSERT_FALSE(mixed.ok());
  EXPECT_NE(mixed.error().message.find("key2.pem"), std::string::npos) << mixed.error().message;
  ASSERT_TRUE(write_file_atomic(folder_.file("junk.pem"), "junk").ok());
  EXPECT_FALSE(TlsContext::load(folder_.file("junk.pem"), folder_.file("key.pem")).ok());
}

}  // namespace
}  // namespace firesteel
