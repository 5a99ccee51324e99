#include "server/batch_input.h"

#include <unordered_set>
#include <utility>

#include <fmt/format.h>

namespace firesteel {
namespace {

constexpr size_t kProblemsMax = 100;
constexpr size_t kCustomIdBytes = 512;

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r") == std::string_view::npos; }

}  // namespace

Result<bool> StoredLines::next(std::string* line) {
  for (;;) {
    const size_t end = held_.find('\n', at_);
    const bool is_last = n_read_ >= file_.n_bytes;
    if (end == std::string::npos && !is_last) {
      held_.erase(0, at_);
      at_ = 0;
      if (held_.size() > line_bytes_max_) return Error{ErrorCode::kInvalidArgument, fmt::format("line {} is longer than {} bytes", number_ + 1, line_bytes_max_)};
      FS_TRY(const std::string piece, StoredFiles(*store_).piece(tenant_, file_.id, next_piece_));
      if (piece.empty()) return Error{ErrorCode::kNotFound, "the input file was deleted"};
      ++next_piece_;
      n_read_ += static_cast<int64_t>(piece.size());
      held_ += piece;
      continue;
    }
    if (end == std::string::npos && at_ >= held_.size()) return false;
    const size_t stop = end == std::string::npos ? held_.size() : end;
    std::string found = held_.substr(at_, stop - at_);
    at_ = end == std::string::npos ? held_.size() : end + 1;
    ++number_;
    if (is_blank(found)) continue;
    if (found.size() > line_bytes_max_) return Error{ErrorCode::kInvalidArgument, fmt::format("line {} is longer than {} bytes", number_, line_bytes_max_)};
    ++index_;
    *line = std::move(found);
    return true;
  }
}

std::variant<BatchLine, LineProblem> read_batch_line(std::string_view text, std::string_view endpoint) {
  const Result<Json> json = Json::parse(text, {.depth = 64, .values = 1u << 20});
  if (!json.ok()) return LineProblem{"invalid_json_line", "This line is not JSON: " + json.error().message, ""};
  if (!json->is_object()) return LineProblem{"invalid_json_line", "This line is not a JSON object.", ""};
  for (const Json::Member& member : json->as_object()) {
    if (member.first != "custom_id" && member.first != "method" && member.first != "url" && member.first != "body") {
      return LineProblem{"unknown_parameter", "Expected custom_id, method, url and body, nothing else.", member.first.substr(0, 64)};
    }
  }
  const auto text_of = [&](const char* name) {
    const Json* found = json->find(name);
    return found != nullptr && found->is_string() ? found->as_string() : std::string();
  };
  const std::string custom_id = text_of("custom_id");
  if (custom_id.empty() || custom_id.size() > kCustomIdBytes) return LineProblem{"missing_required_parameter", fmt::format("Expected a string of 1 to {} bytes.", kCustomIdBytes), "custom_id"};
  if (text_of("method") != "POST") return LineProblem{"invalid_method", "Expected \"POST\".", "method"};
  if (text_of("url") != endpoint) return LineProblem{"mismatched_url", fmt::format("Expected the batch's endpoint, {}.", endpoint), "url"};
  const Json* body = json->find("body");
  if (body == nullptr || !body->is_object()) return LineProblem{"missing_required_parameter", "Expected an object.", "body"};
  if (const Json* stream = body->find("stream"); stream != nullptr && *stream != Json(false) && !stream->is_null()) {
    return LineProblem{"invalid_request", "Answers of a batch are not streamed.", "body.stream"};
  }
  return BatchLine{custom_id, body->dump()};
}

Result<InputCheck> check_input(StoredLines lines, std::string_view endpoint) {
  InputCheck check;
  std::unordered_set<std::string> ids;
  const auto problem = [&](Json line, const LineProblem& what) {
    if (check.problems.size() >= kProblemsMax) return;
    check.problems.push_back(Json::Object{{"code", what.code}, {"line", std::move(line)}, {"message", what.message}, {"param", what.param.empty() ? Json() : Json(what.param)}});
  };
  std::string text;
  for (;;) {
    const Result<bool> more = lines.next(&text);
    if (!more.ok() && more.error().code == ErrorCode::kInvalidArgument) {
      problem(lines.line_number(), {"line_too_long", more.error().message, ""});
      return check;
    }
    if (!more.ok()) return more.error();
    if (!*more) break;
    if (++check.n_lines > RequestBatches::kLinesMax) {
      problem(Json(), {"too_many_lines", fmt::format("A batch has at most {} lines.", RequestBatches::kLinesMax), ""});
      return check;
    }
    const std::variant<BatchLine, LineProblem> read = read_batch_line(text, endpoint);
    if (const LineProblem* wrong = std::get_if<LineProblem>(&read)) {
      problem(lines.line_number(), *wrong);
    } else if (!ids.insert(std::get<BatchLine>(read).custom_id).second) {
      problem(lines.line_number(), {"duplicate_custom_id", "An earlier line has the same custom_id.", "custom_id"});
    }
  }
  if (check.n_lines == 0) problem(Json(), {"empty_file", "The input file has no lines.", ""});
  return check;
}

}  // namespace firesteel
