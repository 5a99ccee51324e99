// An HTTP/1.1 answer, read as it comes. For answers of other servers: bounded, and strict where two readers could differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace firesteel {

class HttpReplyReader {
 public:
  explicit HttpReplyReader(size_t body_bytes_max) : body_bytes_max_(body_bytes_max) {}

  // Appends what is body to `body`. kDataLoss: no HTTP answer. kResourceExhausted: a head above 32 KiB, a body above the limit.
  Status push(std::string_view bytes, std::string* body);
  // The connection has ended. kDataLoss where that is in the middle.
  Status end();

  bool has_head() const { return state_ != State::kHead; }
  bool done() const { return state_ == State::kDone; }
  int status() const { return status_; }
  const std::string* header(std::string_view lower_name) const;

 private:
  enum class State : uint8_t { kHead, kLength, kUntilEnd, kChunkSize, kChunk, kChunkEnd, kTrailer, kDone };
  Status read_head(std::string_view head);
  Status take_line(std::string_view* bytes, bool* whole);

  const size_t body_bytes_max_;
  State state_ = State::kHead;
  std::string pending_;       // of the head, a chunk's size or a trailer
  int status_ = 0;
  std::vector<std::pair<std::string, std::string>> headers_;  // names in lower case
  uint64_t n_left_ = 0;       // of the body or the chunk
  uint64_t n_body_ = 0;
};

}  // namespace firesteel
