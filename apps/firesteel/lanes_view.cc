#include "lanes_view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "manage.h"
#include "terminal.h"

namespace firesteel {
namespace {

constexpr size_t kLanesMax = 256;
constexpr size_t kTailBytes = 256;
constexpr int64_t kDrawUs = 100'000;

std::string text_of(const Json& json, std::string_view name) {
  const Json* found = json.find(name);
  return found != nullptr && found->is_string() ? found->as_string() : std::string();
}

int64_t int_of(const Json& json, std::string_view name, int64_t otherwise) {
  const Json* found = json.find(name);
  return found != nullptr && found->is_int() ? found->as_int() : otherwise;
}

double number_of(const Json& json, std::string_view name) {
  const Json* found = json.find(name);
  return found != nullptr && found->is_number() ? found->as_double() : 0;
}

// Columns: code points, which is what most texts need.
size_t columns(std::string_view text) {
  size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  return n;
}

// The last n columns.
std::string last_columns(const std::string& text, size_t n) {
  size_t at = text.size();
  while (at > 0 && n > 0) {
    --at;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
    --n;
  }
  return text.substr(at);
}

std::string first_columns(const std::string& text, size_t n) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) continue;
    if (n-- == 0) break;
  }
  return text.substr(0, at);
}

// "A" .. "Z", then numbers.
std::string letter(size_t i) { return i < 26 ? std::string(1, static_cast<char>('A' + i)) : std::to_string(i + 1); }

}  // namespace

LanesView::LanesView(bool quiet) : style_(quiet ? Style::kQuiet : is_terminal(STDERR_FILENO) ? Style::kRedrawn : Style::kPlain) {}

LanesView::Lane* LanesView::lane_of(const Json& event) {
  const int64_t id = int_of(event, "lane", -1);
  if (id < 0 || id >= static_cast<int64_t>(kLanesMax)) return nullptr;
  if (lanes_.size() <= static_cast<size_t>(id)) lanes_.resize(static_cast<size_t>(id) + 1);
  return &lanes_[static_cast<size_t>(id)];
}

void LanesView::event(const Json& event) {
  if (style_ == Style::kQuiet) return;
  const std::string type = text_of(event, "type");
  if (type == "note") {
    if (style_ == Style::kPlain) fmt::print(stderr, "{}\n", printable(text_of(event, "text")));
    notes_.push_back(text_of(event, "text"));
    return draw();
  }
  Lane* const lane = type == "answer" ? nullptr : lane_of(event);
  if (lane == nullptr) return;
  const std::string name = letter(static_cast<size_t>(lane - lanes_.data()));
  if (type == "lane") {
    lane->role = text_of(event, "role");
    lane->title = text_of(event, "title");
    if (style_ == Style::kPlain) fmt::print(stderr, "{} {}: {}\n", name, lane->role, printable(lane->title));
  } else if (type == "text") {
    const std::string thinking = text_of(event, "thinking");
    lane->state = thinking.empty() ? "writing" : "thinking";
    lane->tail += thinking.empty() ? text_of(event, "text") : thinking;
    if (lane->tail.size() > 2 * kTailBytes) lane->tail.erase(0, lane->tail.size() - kTailBytes);
    ++lane->n_pieces;
  } else if (type == "tool" || type == "result") {
    const Json* call = event.find("call");
    if (call == nullptr) return;
    lane->state = type == "tool" ? "tool" : "writing";
    const std::string line = fmt::format("{} {} {}", text_of(*call, "name"), text_of(*call, "arguments"), text_of(*call, "result"));
    lane->tail += " " + line;
    if (style_ == Style::kPlain && type == "result") fmt::print(stderr, "{} tool: {}\n", name, printable(line));
  } else if (type == "end") {
    lane->state = text_of(event, "state");
    lane->n_tokens = int_of(event, "tokens", 0);
    lane->ms = number_of(event, "ms");
    const std::string error = text_of(event, "error");
    if (!error.empty()) lane->tail = error;
    if (style_ == Style::kPlain) {
      fmt::print(stderr, "{} {}: {} tokens, {:.1f} s{}\n", name, lane->state, lane->n_tokens, lane->ms * 1e-3, error.empty() ? "" : ": " + printable(error));
    }
  }
  draw();
}

std::vector<std::string> LanesView::lines(size_t width) const {
  std::vector<std::string> out;
  for (size_t i = 0; i < lanes_.size(); ++i) {
    const Lane& lane = lanes_[i];
    std::string title = printable(lane.title);
    if (columns(title) > 24) title = first_columns(title, 23) + "~";
    std::string line = fmt::format("{:>2} {:<6.6} {}{} {:<9.9} {:>5} ", letter(i), lane.role, title, std::string(24 - std::min<size_t>(24, columns(title)), ' '), lane.state,
                                   lane.n_tokens >= 0 ? lane.n_tokens : lane.n_pieces);
    const size_t n_left = width > columns(line) + 1 ? width - columns(line) - 1 : 0;
    std::string tail = lane.tail;
    std::replace(tail.begin(), tail.end(), '\n', ' ');
    line += last_columns(printable(tail), n_left);
    out.push_back(first_columns(line, width));
  }
  return out;
}

void LanesView::draw() {
  if (style_ != Style::kRedrawn) return;
  const int64_t now_us = system_clock().now_us();
  if (n_drawn_ == lanes_.size() + (notes_.empty() ? 0 : 1) && now_us - last_draw_us_ < kDrawUs) return;
  last_draw_us_ = now_us;
  winsize size{};
  const size_t width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 40 ? size.ws_col : 80;
  const size_t height = size.ws_row > 4 ? size.ws_row - 2u : 22;
  std::vector<std::string> shown;
  if (!notes_.empty()) shown.push_back(first_columns(printable(notes_.back()), width - 1));
  for (std::string& line : lines(width - 1)) shown.push_back(std::move(line));
  if (shown.size() > height) shown.erase(shown.begin() + 1, shown.end() - static_cast<ptrdiff_t>(height) + 1);  // the latest; a terminal cannot redraw what scrolled away
  std::string out = n_drawn_ > 0 ? fmt::format("\033[{}F", n_drawn_) : std::string();
  for (const std::string& line : shown) out += "\033[2m" + line + "\033[0m\033[K\n";
  out += "\033[J";
  n_drawn_ = shown.size();
  std::fputs(out.c_str(), stderr);
  std::fflush(stderr);
}

void LanesView::fold() {
  if (n_drawn_ == 0) return;
  fmt::print(stderr, "\033[{}F\033[J", n_drawn_);
  std::fflush(stderr);
  n_drawn_ = 0;
}

std::string describe_run(const Json& ledger) {
  std::string out = text_of(ledger, "mode");
  const std::string strategy = text_of(ledger, "strategy");
  const Json* lanes = ledger.find("lanes");
  if (!strategy.empty()) out = fmt::format("{} of {}", strategy, int_of(ledger, "agents", 0));
  const Json* details = ledger.find("details");
  const Json* vote = details == nullptr ? nullptr : details->find("vote");
  if (vote != nullptr) out += fmt::format(" ({} counted), agreement {:.0f} %", int_of(*vote, "counted", 0), number_of(*vote, "agreement") * 100);
  int64_t n_failed = 0, n_lanes = 0;
  if (lanes != nullptr && lanes->is_array()) {
    for (const Json& lane : lanes->as_array()) {
      const std::string state = text_of(lane, "state");
      ++n_lanes;
      n_failed += state == "failed" || state == "skipped" || state == "deadline" ? 1 : 0;
    }
  }
  const Json* usage = ledger.find("usage");
  out += fmt::format(": {} lanes, {} tokens in {:.1f} s", n_lanes, usage == nullptr ? 0 : int_of(*usage, "generated_tokens", 0), number_of(ledger, "total_ms") * 1e-3);
  if (usage != nullptr) out += fmt::format(" ({} of {} prompt tokens shared)", int_of(*usage, "cached_tokens", 0), int_of(*usage, "prompt_tokens", 0));
  if (n_failed > 0) out += fmt::format(", {} without an answer", n_failed);
  const std::string why = text_of(ledger, "why");
  return why.empty() ? out : out + "; " + why;
}

}  // namespace firesteel
