#include "data/compose.h"

#include <utility>

namespace firesteel {
namespace {

bool chance(Rng* rng, uint64_t percent) { return rng->below(100) < percent; }

class Composer {
 public:
  Composer(const Composition& composition, Rng* rng, Renderer* out) : parts_(composition), rng_(rng), out_(out) {}

  void run() {
    const size_t n = parts_.facts.size();
    if (n == 0) return question();
    const bool may_move = !parts_.question_last;
    if (may_move && n >= 2 && chance(rng_, 8)) {
      question();
      out_->text(" ");
      return facts(0, n);
    }
    const bool clauses = !parts_.question.form.complete() && !parts_.facts.back().form.complete();
    const uint64_t style = rng_->below(100);
    if (may_move && clauses && style < 10) {
      facts(0, n - 1);
      if (n > 1) out_->text(" ");
      out_->begin_sentence();
      out_->text("if ");
      part(parts_.facts.back());
      out_->text(", ");
      part(parts_.question);
      out_->text("?");
    } else if (may_move && clauses && style < 18) {
      facts(0, n - 1);
      if (n > 1) out_->text(" ");
      out_->begin_sentence();
      part(parts_.question);
      out_->text(" if ");
      part(parts_.facts.back());
      out_->text("?");
    } else {
      facts(0, n);
      out_->text(" ");
      question();
    }
  }

 private:
  void part(const Clause& clause) { out_->form(clause.form, *clause.wording); }

  void facts(size_t begin, size_t end) {
    bool joined = false;
    for (size_t i = begin; i < end; ++i) {
      if (!joined) out_->begin_sentence();
      part(parts_.facts[i]);
      const bool complete = parts_.facts[i].form.complete();
      if (!complete && i + 1 < end && !joined && !parts_.facts[i + 1].form.complete() && chance(rng_, 16)) {
        out_->text(chance(rng_, 60) ? " and " : ", and ");
        joined = true;
        continue;
      }
      joined = false;
      if (!complete) out_->text(".");
      if (i + 1 < end) out_->text(" ");
    }
  }

  void question() {
    out_->begin_sentence();
    part(parts_.question);
    if (!parts_.question.form.complete()) out_->text("?");
  }

  const Composition& parts_;
  Rng* rng_;
  Renderer* out_;
};

}  // namespace

void compose(const Composition& composition, Rng* rng, Renderer* out) { Composer(composition, rng, out).run(); }

std::string with_noise(std::string text, Rng* rng) {
  const uint64_t kind = rng->below(100);
  const bool question = text.ends_with('?');
  if (kind < 3 && (question || text.ends_with('.'))) {
    text.pop_back();
  } else if (kind < 6 && question) {
    text.insert(text.size() - 1, " ");
  } else if (kind < 8 && text.size() > 2 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'a' && text[1] <= 'z') {
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  }
  return text;
}

}  // namespace firesteel
