#include "data/wording.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace firesteel {
namespace {

constexpr uint64_t kMaxListed = 512;      // forms of a group that are enumerated
constexpr uint64_t kHeldOutPercent = 15;
constexpr int kMaxRuleDepth = 12;

using Pieces = std::vector<Piece>;

uint64_t saturating_product(uint64_t a, uint64_t b) { return b != 0 && a > (uint64_t{1} << 40) / b ? uint64_t{1} << 40 : a * b; }

uint64_t n_forms_of(const Pieces& pieces) {
  uint64_t n = 1;
  for (const Piece& piece : pieces) {
    if (!piece.is_choice()) continue;
    uint64_t sum = 0;
    for (const Pieces& choice : piece.choices) sum += n_forms_of(choice);
    n = saturating_product(n, sum);
  }
  return n;
}

void draw_pieces(const Pieces& pieces, Rng* rng, std::vector<const Piece*>* out) {
  for (const Piece& piece : pieces) {
    if (piece.is_choice()) {
      draw_pieces(piece.choices[rng->below(piece.choices.size())], rng, out);
    } else {
      out->push_back(&piece);
    }
  }
}

// The index-th form of a sequence, in mixed radix.
void nth_pieces(const Pieces& pieces, uint64_t index, std::vector<const Piece*>* out) {
  for (const Piece& piece : pieces) {
    if (!piece.is_choice()) {
      out->push_back(&piece);
      continue;
    }
    uint64_t total = 0;
    for (const Pieces& choice : piece.choices) total += n_forms_of(choice);
    uint64_t here = index % total;
    index /= total;
    for (const Pieces& choice : piece.choices) {
      const uint64_t n = n_forms_of(choice);
      if (here < n) {
        nth_pieces(choice, here, out);
        break;
      }
      here -= n;
    }
  }
}

}  // namespace

uint64_t stable_hash(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
  return hash ^ (hash >> 31);
}

bool Form::complete() const {
  for (size_t i = pieces.size(); i > 0; --i) {
    if (pieces[i - 1]->slot >= 0) return false;
    const std::string& text = pieces[i - 1]->literal;
    const size_t last = text.find_last_not_of(" \n\"'");
    if (last != std::string::npos) return std::string_view(".?!:").find(text[last]) != std::string_view::npos;
  }
  return false;
}

class WordingParser {
 public:
  WordingParser(const Wording::Context& context, Wording* out) : context_(context), out_(out) {}

  Status parse(std::string_view source) {
    source_ = source;
    for (;;) {
      skip_blanks();
      Alternative alternative;
      if (position_ + 1 < source_.size() && source_[position_] == '*' && source_[position_ + 1] == ' ') {
        alternative.anywhere = true;
        position_ += 2;
        skip_blanks();
      }
      FS_TRY(alternative.pieces, sequence("|", 0));
      trim_end(&alternative.pieces);
      if (alternative.pieces.empty()) return expected("a text");
      out_->alternatives_.push_back(std::move(alternative));
      if (position_ >= source_.size()) return {};
      ++position_;  // '|'
    }
  }

 private:
  Error expected(std::string_view what) const {
    const std::string found = position_ < source_.size() ? fmt::format("'{}'", source_.substr(position_, 16)) : std::string("the end");
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("text '{}', column {}: expected {}, found {}", source_.substr(0, 60), position_ + 1, what, found)};
  }
  void skip_blanks() {
    while (position_ < source_.size() && source_[position_] == ' ') ++position_;
  }
  static void trim_end(Pieces* pieces) {
    while (!pieces->empty() && pieces->back().slot < 0 && !pieces->back().is_choice()) {
      std::string& text = pieces->back().literal;
      text.erase(text.find_last_not_of(' ') + 1);
      if (!text.empty()) return;
      pieces->pop_back();
    }
  }

  // Up to one of the characters in `stops` (left unread) or the end.
  Result<Pieces> sequence(std::string_view stops, int depth) {
    if (depth > kMaxRuleDepth) return expected("less nesting of rules and choices");
    Pieces pieces;
    std::string literal;
    const auto flush = [&] {
      if (!literal.empty()) pieces.push_back({.literal = std::exchange(literal, {})});
    };
    while (position_ < source_.size()) {
      const char c = source_[position_];
      if (stops.find(c) != std::string_view::npos) break;
      if (c == '\\') {
        if (++position_ >= source_.size()) return expected("a character after '\\'");
        literal += source_[position_] == 'n' ? '\n' : source_[position_];
        ++position_;
      } else if (c == '{') {
        flush();
        const size_t end = source_.find('}', position_);
        if (end == std::string_view::npos) return expected("a closing '}'");
        const std::string_view inner = source_.substr(position_ + 1, end - position_ - 1);
        FS_TRY(Slot slot, context_.slot(inner));
        pieces.push_back({.slot = static_cast<int>(out_->slots_.size())});
        out_->slots_.push_back(std::move(slot));
        out_->slot_sources_.emplace_back(inner);
        position_ = end + 1;
      } else if (c == '[') {
        flush();
        Piece piece;
        do {
          ++position_;  // '[' or '|'
          FS_TRY(Pieces choice, sequence("|]", depth + 1));
          piece.choices.push_back(std::move(choice));
        } while (position_ < source_.size() && source_[position_] == '|');
        if (position_ >= source_.size()) return expected("a closing ']'");
        ++position_;
        pieces.push_back(std::move(piece));
      } else if (c == '<') {
        flush();
        const size_t end = source_.find('>', position_);
        if (end == std::string_view::npos) return expected("a closing '>'");
        FS_TRY(Piece piece, rule(source_.substr(position_ + 1, end - position_ - 1), depth));
        pieces.push_back(std::move(piece));
        position_ = end + 1;
      } else if (c == ']' || c == '>' || c == '}') {
        return expected(fmt::format("'\\{}' for the character itself", c));
      } else {
        literal += c;
        ++position_;
      }
    }
    flush();
    return pieces;
  }

  Result<Piece> rule(std::string_view name, int depth) {
    const std::string* text = context_.rule(name);
    if (text == nullptr) return expected("the name of a rule");
    const std::string_view source = std::exchange(source_, *text);
    const size_t position = std::exchange(position_, 0);
    Piece piece;
    for (;;) {
      skip_blanks();
      FS_TRY(Pieces choice, sequence("|", depth + 1));
      trim_end(&choice);
      piece.choices.push_back(std::move(choice));
      if (position_ >= source_.size()) break;
      ++position_;
    }
    source_ = source;
    position_ = position;
    return piece;
  }

  const Wording::Context& context_;
  Wording* out_;
  std::string_view source_;
  size_t position_ = 0;
};

Result<Wording> Wording::parse(std::string_view source, const Context& context) {
  Wording wording;
  FS_TRY_VOID(WordingParser(context, &wording).parse(source));
  wording.close_groups();
  return wording;
}

void Wording::close_groups() {
  for (size_t i = 0; i < alternatives_.size(); ++i) (alternatives_[i].anywhere ? anywhere_ : plain_).alternatives.push_back(i);
  has_anywhere_ = !anywhere_.alternatives.empty();
  close_group(&plain_);
  close_group(&anywhere_);
  n_forms_ = plain_.n_forms + anywhere_.n_forms;
}

// A form is held out by its hash alone, so that the same sentence in another story is treated alike; a small group is corrected: at
// least one form of three or more is held out, and at least two thirds stay for training.
void Wording::close_group(Group* group) {
  for (const size_t i : group->alternatives) group->n_forms += n_forms_of(alternatives_[i].pieces);
  group->listed = group->n_forms <= kMaxListed;
  if (!group->listed) {
    has_held_out_ = true;
    return;
  }
  if (group->n_forms < 3) return;
  std::vector<std::pair<uint64_t, uint64_t>> forms;  // (rank, hash)
  for (const size_t i : group->alternatives) {
    const uint64_t n = n_forms_of(alternatives_[i].pieces);
    for (uint64_t k = 0; k < n; ++k) {
      std::vector<const Piece*> pieces;
      nth_pieces(alternatives_[i].pieces, k, &pieces);
      const uint64_t hash = stable_hash(form_text(pieces));
      forms.emplace_back(hash % 100 < kHeldOutPercent ? 0 : 1, hash);
    }
  }
  std::sort(forms.begin(), forms.end());
  forms.erase(std::unique(forms.begin(), forms.end()), forms.end());
  size_t n_held_out = static_cast<size_t>(std::count_if(forms.begin(), forms.end(), [](const auto& form) { return form.first == 0; }));
  n_held_out = std::clamp<size_t>(n_held_out, 1, std::max<size_t>(1, forms.size() / 3));
  for (size_t i = 0; i < n_held_out; ++i) group->held_out.push_back(forms[i].second);
  std::sort(group->held_out.begin(), group->held_out.end());
  has_held_out_ = has_held_out_ || !group->held_out.empty();
}

bool Wording::is_held_out(const Group& group, uint64_t hash) const {
  return group.listed ? std::binary_search(group.held_out.begin(), group.held_out.end(), hash) : hash % 100 < kHeldOutPercent;
}

std::string Wording::form_text(const std::vector<const Piece*>& pieces) const {
  std::string text;
  for (const Piece* piece : pieces) {
    if (piece->slot >= 0) {
      text += '{' + slot_sources_[static_cast<size_t>(piece->slot)] + '}';
    } else {
      text += piece->literal;
    }
  }
  return text;
}

Form Wording::draw(Rng* rng, Want want, bool anywhere_only) const {
  const bool only = anywhere_only && has_anywhere_;
  Form form;
  for (int attempt = 0; attempt < 200; ++attempt) {
    const std::vector<size_t>& from = anywhere_.alternatives;
    const size_t index = only ? from[rng->below(from.size())] : rng->below(alternatives_.size());
    form.pieces.clear();
    draw_pieces(alternatives_[index].pieces, rng, &form.pieces);
    form.held_out = is_held_out(alternatives_[index].anywhere ? anywhere_ : plain_, stable_hash(form_text(form.pieces)));
    if (want == Want::kAny || form.held_out == (want == Want::kHeldOut)) break;
  }
  return form;
}

}  // namespace firesteel
