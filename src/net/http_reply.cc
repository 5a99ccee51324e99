#include "net/http_reply.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/ascii.h"

namespace firesteel {
namespace {

constexpr size_t kHeadBytesMax = 32u << 10, kLineBytesMax = 4096;

Error broken(const char* what) { return {ErrorCode::kDataLoss, std::string("HTTP answer: ") + what}; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

const std::string* HttpReplyReader::header(std::string_view lower_name) const {
  const auto found = std::find_if(headers_.begin(), headers_.end(), [&](const auto& one) { return one.first == lower_name; });
  return found == headers_.end() ? nullptr : &found->second;
}

Status HttpReplyReader::read_head(std::string_view head) {
  const size_t first_end = head.find("\r\n");
  const std::string_view first = head.substr(0, first_end);
  if (first.size() < 12 || (first.substr(0, 9) != "HTTP/1.1 " && first.substr(0, 9) != "HTTP/1.0 ")) return broken("expected HTTP/1.1 and a status");
  if (std::from_chars(first.data() + 9, first.data() + 12, status_).ptr != first.data() + 12 || status_ < 100) return broken("expected a status of three digits");
  headers_.clear();
  for (size_t at = first_end == std::string_view::npos ? head.size() : first_end + 2; at < head.size();) {
    const size_t end = std::min(head.find("\r\n", at), head.size());
    const std::string_view line = head.substr(at, end - at);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0 || line.front() == ' ' || line.front() == '\t' || line[colon - 1] == ' ') return broken("expected name: value");
    headers_.emplace_back(lower_ascii(line.substr(0, colon)), std::string(trimmed(line.substr(colon + 1))));
    at = end + 2;
  }
  if (status_ < 200) {  // 100: the answer itself comes after it
    state_ = State::kHead;
    return {};
  }
  const std::string* coding = header("transfer-encoding");
  const std::string* length = header("content-length");
  if (coding != nullptr && (length != nullptr || lower_ascii(*coding) != "chunked")) return broken("expected chunked, and no length beside it");
  if (std::count_if(headers_.begin(), headers_.end(), [](const auto& one) { return one.first == "content-length"; }) > 1) return broken("two lengths");
  if (status_ == 204 || status_ == 304) {
    state_ = State::kDone;
  } else if (coding != nullptr) {
    state_ = State::kChunkSize;
  } else if (length != nullptr) {
    const auto [end, error] = std::from_chars(length->data(), length->data() + length->size(), n_left_);
    if (error != std::errc() || end != length->data() + length->size()) return broken("expected a length");
    if (n_left_ > body_bytes_max_) return Error{ErrorCode::kResourceExhausted, "HTTP answer: a body of " + *length + " bytes is above the limit"};
    state_ = n_left_ == 0 ? State::kDone : State::kLength;
  } else {
    state_ = State::kUntilEnd;
  }
  return {};
}

// A line into pending_, without its end.
Status HttpReplyReader::take_line(std::string_view* bytes, bool* whole) {
  const size_t at = bytes->find('\n');
  pending_.append(bytes->substr(0, at));
  bytes->remove_prefix(at == std::string_view::npos ? bytes->size() : at + 1);
  if (pending_.size() > kLineBytesMax) return broken("a line is too long");
  *whole = at != std::string_view::npos;
  if (*whole && !pending_.empty() && pending_.back() == '\r') pending_.pop_back();
  return {};
}

Status HttpReplyReader::push(std::string_view bytes, std::string* body) {
  while (!bytes.empty() && state_ != State::kDone) {
    switch (state_) {
      case State::kHead: {
        const size_t before = pending_.size();
        pending_.append(bytes);
        const size_t end = pending_.find("\r\n\r\n", before < 3 ? 0 : before - 3);
        if (end == std::string::npos) {
          if (pending_.size() > kHeadBytesMax) return Error{ErrorCode::kResourceExhausted, "HTTP answer: a head above 32 KiB"};
          return {};
        }
        if (end > kHeadBytesMax) return Error{ErrorCode::kResourceExhausted, "HTTP answer: a head above 32 KiB"};
        bytes.remove_prefix(end + 4 - before);
        const std::string head = pending_.substr(0, end);
        pending_.clear();
        FS_TRY_VOID(read_head(head));
        break;
      }
      case State::kLength:
      case State::kUntilEnd:
      case State::kChunk: {
        const size_t n = state_ == State::kUntilEnd ? bytes.size() : static_cast<size_t>(std::min<uint64_t>(n_left_, bytes.size()));
        n_body_ += n;
        if (n_body_ > body_bytes_max_) return Error{ErrorCode::kResourceExhausted, "HTTP answer: a body above the limit of " + std::to_string(body_bytes_max_) + " bytes"};
        body->append(bytes.substr(0, n));
        bytes.remove_prefix(n);
        if (state_ == State::kUntilEnd) break;
        n_left_ -= n;
        if (n_left_ == 0) state_ = state_ == State::kLength ? State::kDone : State::kChunkEnd;
        break;
      }
      case State::kChunkSize:
      case State::kChunkEnd:
      case State::kTrailer: {
        bool whole = false;
        FS_TRY_VOID(take_line(&bytes, &whole));
        if (!whole) return {};
        const std::string line = std::exchange(pending_, {});
        if (state_ == State::kChunkEnd) {
          if (!line.empty()) return broken("a chunk is longer than it said");
          state_ = State::kChunkSize;
        } else if (state_ == State::kTrailer) {
          if (line.empty()) state_ = State::kDone;
        } else {
          const size_t digits = std::min(line.find(';'), line.size());
          const auto [end, error] = std::from_chars(line.data(), line.data() + digits, n_left_, 16);
          if (error != std::errc() || end != line.data() + digits || digits == 0) return broken("expected a chunk's size");
          state_ = n_left_ == 0 ? State::kTrailer : State::kChunk;
        }
        break;
      }
      case State::kDone: break;
    }
  }
  return {};
}

Status HttpReplyReader::end() {
  if (state_ == State::kUntilEnd) state_ = State::kDone;
  if (state_ != State::kDone) return broken("the connection ended in the middle");
  return {};
}

}  // namespace firesteel
