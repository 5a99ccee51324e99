// What a person sees of subagents at work: one line per lane, redrawn on a terminal; elsewhere a plain line when a lane opens or ends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"

namespace firesteel {

class LanesView {
 public:
  enum class Style { kQuiet, kPlain, kRedrawn };
  // On stderr, so that the answer stays alone on stdout. quiet: nothing at all.
  explicit LanesView(bool quiet);
  ~LanesView() { fold(); }
  LanesView(const LanesView&) = delete;
  LanesView& operator=(const LanesView&) = delete;

  void event(const Json& event);  // as AgentEvent::to_json has them
  void fold();                    // takes the lanes away
  // One line per lane, at most `width` columns. For tests and for drawing.
  std::vector<std::string> lines(size_t width) const;

 private:
  struct Lane {
    std::string role, title, tail, state = "writing";
    int64_t n_pieces = 0;  // of text; about tokens
    int64_t n_tokens = -1; // exact, at its end
    double ms = 0;
  };
  void draw();
  Lane* lane_of(const Json& event);

  Style style_;
  std::vector<Lane> lanes_;
  std::vector<std::string> notes_;
  size_t n_drawn_ = 0;
  int64_t last_draw_us_ = 0;
};

// "vote of 8 (5 counted), agreement 80 %: 412 tokens in 2.1 s": of a ledger, for people.
std::string describe_run(const Json& ledger);

}  // namespace firesteel
