// TLS without sockets: network bytes in, plain bytes out, and back. OpenSSL stays in the .cc file.
//
// Why not asio::ssl::stream: it keeps 17 KiB buffers per connection for ever (75 KiB per idle client, measured); here OpenSSL's own
// buffers are released while a connection is idle.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace firesteel {

// Certificate chain and private key. Immutable after load, shared by all sessions.
class TlsContext {
 public:
  // PEM files. kNotFound, kInvalidArgument with OpenSSL's reason, kFailedPrecondition when the key is not the certificate's.
  static Result<std::shared_ptr<TlsContext>> load(const std::string& certificate_path, const std::string& key_path);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

 private:
  friend class TlsSession;
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

// The server's side of one connection. Used by one thread at a time.
class TlsSession {
 public:
  explicit TlsSession(std::shared_ptr<TlsContext> context);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  enum class State : uint8_t { kOpen, kClosed, kFailed };
  // Bytes that came from the network. Appends what they decrypt to and what must be sent (handshake, alerts).
  State receive(std::string_view network, std::string* plain, std::string* to_network);
  // False when the session cannot take it (the handshake is not over, or it failed).
  bool send(std::string_view plain, std::string* to_network);
  void close(std::string* to_network);

 private:
  void drain(std::string* to_network);
  std::shared_ptr<TlsContext> context_;
  ssl_st* ssl_;
};

}  // namespace firesteel
