#include "tokenizer/number_binding.h"

#include <algorithm>
#include <utility>

#include "base/number_literals.h"

namespace firesteel {
namespace {

constexpr std::string_view kMarkersKey = "kindling.numbers.markers";
constexpr std::string_view kRolesKey = "kindling.numbers.roles";
constexpr std::string_view kMessageStart = "<|im_start|>";
constexpr std::string_view kTurnRole = "user";
constexpr size_t kMarkersMax = 1024;
constexpr size_t kRolesMax = 16;

Error damaged(std::string_view key, const std::string& what) {
  return Error{ErrorCode::kDataLoss, "metadata \"" + std::string(key) + "\": " + what};
}

Result<TokenId> control_token(std::string_view key, const Tokenizer& tokenizer, std::string_view text) {
  const std::optional<TokenId> id = tokenizer.find(text);
  if (!id || tokenizer.type(*id) != TokenType::kControl) {
    return damaged(key, "expected a control token of the vocabulary, found \"" + std::string(text.substr(0, 64)) + "\"");
  }
  return *id;
}

}  // namespace

Result<std::shared_ptr<const NumberBinding>> NumberBinding::from_metadata(const Metadata& metadata, const Tokenizer& tokenizer) {
  if (!metadata.has(kMarkersKey)) return std::shared_ptr<const NumberBinding>();
  const std::vector<std::string_view>* markers = metadata.strings(kMarkersKey);
  const std::vector<std::string_view>* roles = metadata.strings(kRolesKey);
  if (markers == nullptr || markers->empty() || markers->size() > kMarkersMax) {
    return damaged(kMarkersKey, "expected 1 to " + std::to_string(kMarkersMax) + " token texts");
  }
  if (roles == nullptr || roles->empty() || roles->size() > kRolesMax) {
    return damaged(kRolesKey, "expected 1 to " + std::to_string(kRolesMax) + " roles");
  }
  std::shared_ptr<NumberBinding> binding(new NumberBinding(tokenizer));
  for (const std::string_view text : *markers) {
    FS_TRY(const TokenId id, control_token(kMarkersKey, tokenizer, text));
    if (binding->index_of(id)) return damaged(kMarkersKey, "\"" + std::string(text) + "\" is there twice");
    binding->markers_.push_back(id);
  }
  binding->roles_.assign(roles->begin(), roles->end());
  FS_TRY(binding->message_start_, control_token(kMarkersKey, tokenizer, kMessageStart));
  return std::shared_ptr<const NumberBinding>(std::move(binding));
}

std::optional<size_t> NumberBinding::index_of(TokenId id) const {
  const auto at = std::find(markers_.begin(), markers_.end(), id);
  if (at == markers_.end()) return std::nullopt;
  return static_cast<size_t>(at - markers_.begin());
}

void NumberBinding::visit(std::span<const TokenId> ids, const std::function<void()>& turn,
                          const std::function<void(Found)>& found) const {
  size_t n_found = 0;
  for (size_t at = 0; at < ids.size();) {
    if (ids[at] != message_start_) {
      ++at;
      continue;
    }
    const auto next = std::find(ids.begin() + static_cast<ptrdiff_t>(at) + 1, ids.end(), message_start_);
    const auto end = static_cast<size_t>(next - ids.begin());
    visit_message(ids.subspan(at + 1, end - at - 1), at + 1, &n_found, turn, found);
    at = end;
  }
}

void NumberBinding::visit_message(std::span<const TokenId> ids, size_t first, size_t* n_found, const std::function<void()>& turn,
                                  const std::function<void(Found)>& found) const {
  // "role\n", then the body. A control token separates what stands before and behind it: no number reaches across.
  std::string text;
  std::vector<size_t> begins;  // of each token in text
  begins.reserve(ids.size());
  for (const TokenId id : ids) {
    begins.push_back(text.size());
    const size_t before = text.size();
    tokenizer_.append_piece(id, /*render_special=*/false, &text);
    if (text.size() == before) text.push_back('\0');
  }
  const size_t line_end = std::min(text.find('\n'), text.size());
  const std::string_view role = std::string_view(text).substr(0, line_end);
  if (role == kTurnRole) {
    *n_found = 0;
    turn();
  }
  if (std::find(roles_.begin(), roles_.end(), role) == roles_.end()) return;
  for (NumberLiteral& literal : find_number_literals(std::string_view(text).substr(line_end))) {
    const auto token = std::lower_bound(begins.begin(), begins.end(), line_end + literal.offset);
    const bool is_start = token != begins.end() && *token == line_end + literal.offset;
    found({(*n_found)++, std::move(literal.value),
           is_start ? std::optional(first + static_cast<size_t>(token - begins.begin())) : std::nullopt});
  }
}

void NumberBinding::mark(std::vector<TokenId>* ids) const {
  std::vector<std::pair<size_t, TokenId>> inserts;
  visit(*ids, [] {}, [&](const Found& literal) {
    if (literal.number < markers_.size() && literal.token) inserts.emplace_back(*literal.token, markers_[literal.number]);
  });
  if (inserts.empty()) return;
  std::vector<TokenId> marked;
  marked.reserve(ids->size() + inserts.size());
  size_t at = 0;
  for (const auto& [token, marker] : inserts) {
    marked.insert(marked.end(), ids->begin() + static_cast<ptrdiff_t>(at), ids->begin() + static_cast<ptrdiff_t>(token));
    marked.push_back(marker);
    at = token;
  }
  marked.insert(marked.end(), ids->begin() + static_cast<ptrdiff_t>(at), ids->end());
  *ids = std::move(marked);
}

std::vector<std::string> NumberBinding::literals(std::span<const TokenId> prompt) const {
  std::vector<std::string> values;
  visit(prompt, [&] { values.clear(); }, [&](Found literal) {
    if (literal.number < markers_.size()) values.push_back(std::move(literal.value));
  });
  return values;
}

Result<std::string> NumberBinding::fill(std::string_view text, std::span<const std::string> literals) const {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = std::min(text.find("<|", at), text.size());
    out += text.substr(at, begin - at);
    at = begin;
    if (begin == text.size()) break;
    const size_t close = text.find("|>", begin);
    const std::string_view marker = close == std::string_view::npos ? std::string_view() : text.substr(begin, close + 2 - begin);
    const auto found = std::find_if(markers_.begin(), markers_.end(), [&](TokenId id) { return tokenizer_.text(id) == marker; });
    if (found == markers_.end()) {
      out += "<|";
      at += 2;
      continue;
    }
    const auto k = static_cast<size_t>(found - markers_.begin());
    if (k >= literals.size()) {
      return Error{ErrorCode::kInvalidArgument, std::string(marker) + ": the turn has " + std::to_string(literals.size()) + " numbers"};
    }
    out += literals[k];
    at += marker.size();
  }
  return out;
}

}  // namespace firesteel
