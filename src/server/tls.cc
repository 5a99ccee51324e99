#include "server/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <climits>

#include "base/check.h"

namespace firesteel {
namespace {

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "unknown reason" : text;
}

// The only protocol that we speak; a client that insists on others goes on without ALPN.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_bytes, const unsigned char* in, unsigned in_bytes, void*) {
  static constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_bytes, kHttp11, sizeof kHttp11, in, in_bytes) != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::load(const std::string& certificate_path, const std::string& key_path) {
  SSL_CTX* raw = SSL_CTX_new(TLS_server_method());
  if (raw == nullptr) return Error{ErrorCode::kInternal, "TLS: " + openssl_reason()};
  std::shared_ptr<TlsContext> context(new TlsContext(raw));
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(raw, certificate_path.c_str()) != 1) {
    return Error{ErrorCode::kInvalidArgument, certificate_path + ": not a PEM certificate chain: " + openssl_reason()};
  }
  if (SSL_CTX_use_PrivateKey_file(raw, key_path.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Error{ErrorCode::kInvalidArgument, key_path + ": not the PEM private key of " + certificate_path + ": " + openssl_reason()};
  }
  if (SSL_CTX_check_private_key(raw) != 1) {
    return Error{ErrorCode::kFailedPrecondition, key_path + ": is not the key of " + certificate_path};
  }
  return context;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsSession::TlsSession(std::shared_ptr<TlsContext> context) : context_(std::move(context)), ssl_(SSL_new(context_->context_)) {
  CHECK(ssl_ != nullptr);
  BIO* input = BIO_new(BIO_s_mem());
  BIO* output = BIO_new(BIO_s_mem());
  CHECK(input != nullptr && output != nullptr);
  BIO_set_mem_eof_return(input, -1);  // an empty buffer means "later", not the end
  BIO_set_mem_eof_return(output, -1);
  SSL_set_bio(ssl_, input, output);   // takes both
  SSL_set_accept_state(ssl_);
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

void TlsSession::drain(std::string* to_network) {
  char* data = nullptr;
  BIO* output = SSL_get_wbio(ssl_);
  const long n = BIO_get_mem_data(output, &data);
  if (n > 0) to_network->append(data, static_cast<size_t>(n));
  static_cast<void>(BIO_reset(output));
}

TlsSession::State TlsSession::receive(std::string_view network, std::string* plain, std::string* to_network) {
  State state = State::kOpen;
  char buffer[16 << 10];
  ERR_clear_error();
  while (state == State::kOpen) {
    if (!network.empty()) {
      const int n = BIO_write(SSL_get_rbio(ssl_), network.data(), static_cast<int>(std::min<size_t>(network.size(), 64u << 10)));
      if (n <= 0) return State::kFailed;
      network.remove_prefix(static_cast<size_t>(n));
    }
    int n = 0;
    while ((n = SSL_read(ssl_, buffer, sizeof buffer)) > 0) plain->append(buffer, static_cast<size_t>(n));
    const int error = SSL_get_error(ssl_, n);
    if (error == SSL_ERROR_ZERO_RETURN) state = State::kClosed;
    else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) state = State::kFailed;
    if (network.empty()) break;
  }
  ERR_clear_error();
  drain(to_network);
  return state;
}

bool TlsSession::send(std::string_view plain, std::string* to_network) {
  if (SSL_is_init_finished(ssl_) != 1) return false;
  ERR_clear_error();
  while (!plain.empty()) {
    const int n = SSL_write(ssl_, plain.data(), static_cast<int>(std::min<size_t>(plain.size(), 1u << 20)));
    if (n <= 0) {
      ERR_clear_error();
      drain(to_network);
      return false;
    }
    plain.remove_prefix(static_cast<size_t>(n));
  }
  drain(to_network);
  return true;
}

void TlsSession::close(std::string* to_network) {
  if (SSL_is_init_finished(ssl_) != 1) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
  drain(to_network);
}

}  // namespace firesteel
