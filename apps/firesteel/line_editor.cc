#include "line_editor.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <clocale>
#include <cstdio>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr size_t kLineBytesMax = 16u << 20;
constexpr size_t kHistoryMax = 1000;

termios saved_terminal;
std::atomic<bool> terminal_changed{false};

// Every key comes at once and unechoed; Ctrl-C is a byte.
bool enter_raw_mode() {
  if (tcgetattr(STDIN_FILENO, &saved_terminal) != 0) return false;
  termios raw = saved_terminal;
  raw.c_iflag &= ~static_cast<tcflag_t>(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
  raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ICANON | IEXTEN | ISIG);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0) return false;
  terminal_changed = true;
  return true;
}

void write_all(const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = write(STDOUT_FILENO, text.data() + done, text.size() - done);
    if (n < 0 && errno != EINTR) return;
    if (n > 0) done += static_cast<size_t>(n);
  }
}

int columns() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

int char_width(uint32_t code_point) {
  const int width = wcwidth(static_cast<wchar_t>(code_point));
  return width < 0 ? 1 : width;
}

struct Place {
  int row = 0, column = 0;
};

// Where the terminal's cursor is after writing `text` from `place`; line breaks indent by `indent` columns.
Place advance(Place place, std::string_view text, int indent, int n_columns) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    at += c.n_bytes;
    if (c.code_point == '\n') {
      place = {place.row + 1, indent};
      continue;
    }
    const int width = char_width(c.code_point);
    if (place.column + width > n_columns) place = {place.row + 1, 0};
    place.column += width;
  }
  return place;
}

}  // namespace

LineEditor::LineEditor() : on_terminal_(isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) {
  if (on_terminal_) std::setlocale(LC_CTYPE, "C.UTF-8");  // for wcwidth; nothing else here depends on the locale
}

LineEditor::~LineEditor() { restore_terminal(); }

void LineEditor::restore_terminal() {
  if (terminal_changed.exchange(false)) tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_terminal);
}

std::optional<LineEditor::Line> LineEditor::read(const std::string& prompt) {
  if (!on_terminal_) return read_plain();
  if (!enter_raw_mode()) return read_plain();
  write_all("\033[?2004h");  // pasted text arrives between markers, so its line breaks do not send it
  std::optional<Line> line = edit(prompt);
  write_all("\033[?2004l");
  restore_terminal();
  return line;
}

bool LineEditor::read_byte(char* byte) {
  while (input_at_ == n_input_) {
    const ssize_t n = ::read(STDIN_FILENO, input_, sizeof input_);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    n_input_ = static_cast<size_t>(n);
    input_at_ = 0;
  }
  *byte = input_[input_at_++];
  return true;
}

std::optional<LineEditor::Line> LineEditor::read_plain() {
  Line line;
  char byte = 0;
  while (!at_end_) {
    if (!read_byte(&byte)) {
      at_end_ = true;
      break;
    }
    if (byte == '\n') return line;
    if (line.text.size() < kLineBytesMax) line.text += byte;
  }
  if (line.text.empty()) return std::nullopt;
  return line;
}

std::optional<LineEditor::Line> LineEditor::edit(const std::string& prompt) {
  prompt_ = prompt;
  text_.clear();
  cursor_ = 0;
  cursor_row_ = 0;
  history_at_ = history_.size();
  redraw();
  for (;;) {
    char byte = 0;
    if (!read_byte(&byte)) return std::nullopt;
    switch (byte) {
      case '\r':
      case '\n':
        cursor_ = text_.size();
        redraw();
        write_all("\r\n");
        return Line{text_, false};
      case 3:  // Ctrl-C
        cursor_ = text_.size();
        redraw();
        write_all("^C\r\n");
        return Line{text_, true};
      case 4:  // Ctrl-D: end of input on an empty line, else delete forward
        if (text_.empty()) {
          write_all("\r\n");
          return std::nullopt;
        }
        text_.erase(cursor_, next_char(cursor_) - cursor_);
        break;
      case 1: cursor_ = text_.rfind('\n', cursor_ == 0 ? 0 : cursor_ - 1) == std::string::npos || cursor_ == 0
                            ? 0 : text_.rfind('\n', cursor_ - 1) + 1;
        break;                                                                          // Ctrl-A
      case 5: cursor_ = std::min(text_.find('\n', cursor_), text_.size()); break;       // Ctrl-E
      case 2: cursor_ = previous_char(cursor_); break;                                  // Ctrl-B
      case 6: cursor_ = next_char(cursor_); break;                                      // Ctrl-F
      case 8:
      case 127: erase_before(previous_char(cursor_)); break;                            // Backspace
      case 11: text_.erase(cursor_, std::min(text_.find('\n', cursor_), text_.size()) - cursor_); break;  // Ctrl-K
      case 21: erase_before(0); break;                                                  // Ctrl-U
      case 23: erase_before(word_start(cursor_)); break;                                // Ctrl-W
      case 12: write_all("\033[H\033[2J"); cursor_row_ = 0; break;                      // Ctrl-L
      case 14: move_in_history(1); break;                                               // Ctrl-N
      case 16: move_in_history(-1); break;                                              // Ctrl-P
      case 27: handle_escape(); break;
      case '\t': insert("  "); break;
      default:
        if (static_cast<unsigned char>(byte) >= 32) {
          insert(std::string_view(&byte, 1));
          // Draw once per burst of typed bytes, and never in the middle of a character.
          if (input_at_ < n_input_ || complete_utf8_prefix(text_.substr(0, cursor_)) != cursor_) continue;
        }
    }
    redraw();
  }
}

void LineEditor::handle_escape() {
  char byte = 0;
  if (input_at_ == n_input_) return;  // the key Escape itself
  if (!read_byte(&byte)) return;
  if (byte == '\r' || byte == '\n') return insert("\n");  // Alt-Enter
  if (byte == 'b') { cursor_ = word_start(cursor_); return; }
  if (byte == 127) return erase_before(word_start(cursor_));
  if (byte != '[' && byte != 'O') return;
  std::string parameters;
  while (read_byte(&byte) && byte < 0x40 && parameters.size() < 16) parameters += byte;
  switch (byte) {
    case 'A': move_in_history(-1); break;
    case 'B': move_in_history(1); break;
    case 'C': cursor_ = next_char(cursor_); break;
    case 'D': cursor_ = parameters == "1;5" ? word_start(cursor_) : previous_char(cursor_); break;
    case 'H': cursor_ = 0; break;
    case 'F': cursor_ = text_.size(); break;
    case '~':
      if (parameters == "3") text_.erase(cursor_, next_char(cursor_) - cursor_);
      if (parameters == "1" || parameters == "7") cursor_ = 0;
      if (parameters == "4" || parameters == "8") cursor_ = text_.size();
      if (parameters == "200") paste();
      break;
    default: break;
  }
}

void LineEditor::paste() {
  static constexpr std::string_view kEnd = "\033[201~";
  std::string pasted;
  char byte = 0;
  while (!pasted.ends_with(kEnd) && pasted.size() < kLineBytesMax && read_byte(&byte)) pasted += byte;
  if (pasted.ends_with(kEnd)) pasted.resize(pasted.size() - kEnd.size());
  // Terminals send line breaks as \r. Other control bytes could move the cursor when drawn.
  std::string clean;
  for (size_t i = 0; i < pasted.size(); ++i) {
    const char c = pasted[i];
    if (c == '\r') {
      if (i + 1 < pasted.size() && pasted[i + 1] == '\n') continue;
      clean += '\n';
    } else if (c == '\t') {
      clean += "  ";
    } else if (c == '\n' || static_cast<unsigned char>(c) >= 32) {
      clean += c;
    }
  }
  insert(clean);
}

void LineEditor::insert(std::string_view text) {
  if (text_.size() + text.size() > kLineBytesMax) return;
  text_.insert(cursor_, text);
  cursor_ += text.size();
}

void LineEditor::erase_before(size_t from) {
  text_.erase(from, cursor_ - from);
  cursor_ = from;
}

size_t LineEditor::previous_char(size_t at) const {
  if (at == 0) return 0;
  do {
    --at;
  } while (at > 0 && (static_cast<unsigned char>(text_[at]) & 0xC0) == 0x80);
  return at;
}

size_t LineEditor::next_char(size_t at) const { return at < text_.size() ? at + decode_utf8(text_, at).n_bytes : at; }

size_t LineEditor::word_start(size_t at) const {
  while (at > 0 && (text_[at - 1] == ' ' || text_[at - 1] == '\n')) --at;
  while (at > 0 && text_[at - 1] != ' ' && text_[at - 1] != '\n') --at;
  return at;
}

void LineEditor::move_in_history(int step) {
  if (step < 0 ? history_at_ == 0 : history_at_ == history_.size()) return;
  if (history_at_ == history_.size()) unsent_ = text_;
  history_at_ = step < 0 ? history_at_ - 1 : history_at_ + 1;
  text_ = history_at_ == history_.size() ? unsent_ : history_[history_at_];
  cursor_ = text_.size();
}

void LineEditor::add_history(const std::string& text) {
  if (text.empty() || (!history_.empty() && history_.back() == text)) return;
  if (history_.size() == kHistoryMax) history_.erase(history_.begin());
  history_.push_back(text);
}

void LineEditor::redraw() {
  const int n_columns = columns();
  const int indent = advance({}, prompt_, 0, n_columns).column;
  std::string out = "\r";
  if (cursor_row_ > 0) out += "\033[" + std::to_string(cursor_row_) + "A";
  out += "\033[J" + prompt_;
  for (const char c : text_) {
    if (c == '\n') {
      out += "\r\n" + std::string(static_cast<size_t>(indent), ' ');
    } else {
      out += c;
    }
  }
  const Place start = advance({}, prompt_, 0, n_columns);
  Place end = advance(start, text_, indent, n_columns);
  // A terminal keeps the cursor on a full row until the next character; ask for the next row so that rows can be counted.
  if (end.column == n_columns) {
    out += "\r\n";
    end = {end.row + 1, 0};
  }
  Place target = advance(start, std::string_view(text_).substr(0, cursor_), indent, n_columns);
  if (target.column == n_columns) target = {target.row + 1, 0};
  if (end.row > target.row) out += "\033[" + std::to_string(end.row - target.row) + "A";
  out += "\r";
  if (target.column > 0) out += "\033[" + std::to_string(target.column) + "C";
  cursor_row_ = target.row;
  write_all(out);
}

}  // namespace firesteel
