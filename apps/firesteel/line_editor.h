// A line of input on a terminal: cursor keys, history, word and line deletion, pasted text with its line breaks. Elsewhere (a pipe, a
// file) plain lines. No library: the usual ones are under another licence or bring their own terminal database.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace firesteel {

class LineEditor {
 public:
  LineEditor();
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  struct Line {
    std::string text;     // may hold line breaks that were pasted
    bool interrupted = false;  // Ctrl-C: the text was thrown away
  };
  // nullopt at the end of input (Ctrl-D on an empty line). The prompt is shown on a terminal only.
  std::optional<Line> read(const std::string& prompt);

  void add_history(const std::string& text);
  bool on_terminal() const { return on_terminal_; }

  // Puts the terminal back as it was: for a way out that runs no destructors.
  static void restore_terminal();

 private:
  std::optional<Line> read_plain();
  std::optional<Line> edit(const std::string& prompt);
  bool read_byte(char* byte);
  void handle_escape();
  void paste();
  void move_in_history(int step);
  void insert(std::string_view text);
  void erase_before(size_t from);
  void redraw();
  size_t previous_char(size_t at) const;
  size_t next_char(size_t at) const;
  size_t word_start(size_t at) const;

  bool on_terminal_;
  bool at_end_ = false;
  std::string prompt_;
  std::string text_;
  size_t cursor_ = 0;        // byte offset, at a character's start
  int cursor_row_ = 0;       // of the drawn text, below its first row
  std::vector<std::string> history_;
  size_t history_at_ = 0;
  std::string unsent_;       // what was being written before looking into the history
  char input_[4096];
  size_t n_input_ = 0, input_at_ = 0;
};

}  // namespace firesteel
