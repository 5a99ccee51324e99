#include "documents/html.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/utf8.h"
#include "documents/entities.h"
#include "documents/text_builder.h"

namespace firesteel {
namespace {

constexpr std::array<std::string_view, 30> kBlocks = {"address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog", "div",
                                                      "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "main",
                                                      "nav", "ol", "p", "pre", "section", "summary", "table", "ul", "caption", "legend"};
// What is inside is not text that anybody sees. The first five hold raw text: nothing in them is markup but their own end.
constexpr std::array<std::string_view, 12> kSkipped = {"script", "style", "iframe", "noembed", "noframes", "template", "noscript", "svg", "head", "object",
                                                       "select", "canvas"};
constexpr size_t kRawText = 5;
constexpr std::array<std::string_view, 14> kVoid = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr", "param"};

template <typename List>
bool one_of(const List& list, std::string_view name) { return std::find(list.begin(), list.end(), name) != list.end(); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool is_letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }

bool equals(std::string_view text, std::string_view lower_case) {
  if (text.size() != lower_case.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (lower(text[i]) != lower_case[i]) return false;
  }
  return true;
}

size_t find_close(std::string_view html, size_t from, std::string_view name) {  // offset of "</name", npos
  for (size_t i = html.find("</", from); i != std::string_view::npos; i = html.find("</", i + 2)) {
    if (equals(html.substr(i + 2, name.size()), name)) return i;
  }
  return std::string_view::npos;
}

std::string decode_entities(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    size_t n = 0;
    const uint32_t code = text[i] == '&' ? decode_entity(text.substr(i), &n) : 0;
    if (code != 0) {
      append_utf8(&out, code);
      i += n;
    } else {
      out += text[i++];
    }
  }
  return out;
}

struct Tag {
  std::string name;  // lower case, at most 20 characters are kept: longer ones are unknown to us anyway
  bool closing = false, self_closing = false, hidden = false;
  std::string_view alt = {};
  size_t end = 0;    // offset behind '>'
};

// html[at] is '<' and a letter or "</" and a letter follows. Attribute values may hold '>' inside quotes.
Tag read_tag(std::string_view html, size_t at) {
  Tag tag;
  size_t i = at + 1;
  if (html[i] == '/') {
    tag.closing = true;
    ++i;
  }
  while (i < html.size() && !is_space(html[i]) && html[i] != '>' && html[i] != '/') {
    if (tag.name.size() < 20) tag.name += lower(html[i]);
    ++i;
  }
  while (i < html.size() && html[i] != '>') {
    if (is_space(html[i]) || html[i] == '/') {
      tag.self_closing = html[i] == '/';
      ++i;
      continue;
    }
    const size_t name_begin = i;
    while (i < html.size() && !is_space(html[i]) && html[i] != '>' && html[i] != '=' && (html[i] != '/' || i == name_begin)) ++i;
    if (i == name_begin) ++i;  // a lone '='
    const std::string_view name = html.substr(name_begin, i - name_begin);
    while (i < html.size() && is_space(html[i])) ++i;
    std::string_view value;
    if (i < html.size() && html[i] == '=') {
      ++i;
      while (i < html.size() && is_space(html[i])) ++i;
      if (i < html.size() && (html[i] == '"' || html[i] == '\'')) {
        const size_t close = html.find(html[i], i + 1);
        const size_t stop = close == std::string_view::npos ? html.size() : close;
        value = html.substr(i + 1, stop - i - 1);
        i = std::min(stop + 1, html.size());
      } else {
        const size_t begin = i;
        while (i < html.size() && !is_space(html[i]) && html[i] != '>') ++i;
        value = html.substr(begin, i - begin);
      }
    }
    if (equals(name, "alt")) tag.alt = value;
    if (equals(name, "hidden") || (equals(name, "aria-hidden") && equals(value, "true"))) tag.hidden = true;
    tag.self_closing = false;
  }
  tag.end = std::min(i + 1, html.size());
  return tag;
}

class HtmlReader {
 public:
  HtmlReader(std::string_view html, const DocumentLimits& limits) : html_(html), out_(limits) {}

  Result<Document> read() {
    size_t i = 0;
    while (i < html_.size() && !out_.overflowed()) {
      if (html_[i] != '<') {
        const size_t next = std::min(html_.find('<', i), html_.size());
        text(html_.substr(i, next - i));
        i = next;
        continue;
      }
      i = markup(i);
    }
    return out_.finish();
  }

 private:
  void text(std::string_view raw) {
    if (!skip_.empty()) return;
    // Blanks between cells or blocks carry no meaning; words() folds them.
    const std::string decoded = raw.find('&') == std::string_view::npos ? std::string(raw) : decode_entities(raw);
    if (pre_depth_ > 0) {
      out_.verbatim(decoded);
    } else {
      out_.words(decoded);
    }
  }

  size_t markup(size_t at) {
    const std::string_view rest = html_.substr(at);
    if (rest.starts_with("<!--")) {
      const size_t end = html_.find("-->", at + 4);
      return end == std::string_view::npos ? html_.size() : end + 3;
    }
    if (rest.starts_with("<!") || rest.starts_with("<?")) return std::min(html_.find('>', at), html_.size() - 1) + 1;
    const bool is_tag = rest.size() > 1 && (is_letter(rest[1]) || (rest[1] == '/' && rest.size() > 2 && is_letter(rest[2])));
    if (!is_tag) {
      text("<");
      return at + 1;
    }
    const Tag tag = read_tag(html_, at);
    if (tag.closing) {
      close(tag);
      return tag.end;
    }
    return open(tag);
  }

  size_t open(const Tag& tag) {
    if (!skip_.empty()) {
      if (tag.name == "title" && skip_ == "head") return title(tag);
      if (tag.name == "body" && skip_ == "head") skip_.clear();  // the head was never closed
      if (tag.name == skip_ && !tag.self_closing) ++skip_depth_;
      if (!skip_.empty()) return raw_end(tag);
    }
    if (tag.name == "title") return title(tag);
    const bool is_void = one_of(kVoid, tag.name);
    if (one_of(kSkipped, tag.name) || (tag.hidden && !is_void)) {
      if (!tag.self_closing || one_of(kSkipped, tag.name)) {
        skip_ = tag.name;
        skip_depth_ = 1;
      }
      return raw_end(tag);
    }
    if (tag.name.size() == 2 && tag.name[0] == 'h' && tag.name[1] >= '1' && tag.name[1] <= '6') {
      out_.begin_heading(tag.name[1] - '0');
    } else if (tag.name == "br") {
      out_.line_break();
    } else if (tag.name == "li") {
      out_.line_break();
      out_.words("-");
      out_.words(" ");
    } else if (tag.name == "tr") {
      out_.line_break();
      cell_ = 0;
    } else if (tag.name == "td" || tag.name == "th") {
      if (cell_++ > 0) out_.words(" | ");
    } else if (tag.name == "img") {
      if (!tag.alt.empty()) out_.words(decode_entities(tag.alt));
    } else if (one_of(kBlocks, tag.name) && !out_.in_heading()) {
      if (tag.name == "ul" || tag.name == "ol" || tag.name == "dd" || tag.name == "dt") {
        out_.line_break();
      } else {
        out_.paragraph_break();
      }
      if (tag.name == "pre") ++pre_depth_;
    }
    return tag.end;
  }

  void close(const Tag& tag) {
    if (!skip_.empty()) {
      if (tag.name == skip_ && --skip_depth_ <= 0) skip_.clear();
      return;
    }
    if (tag.name.size() == 2 && tag.name[0] == 'h' && tag.name[1] >= '1' && tag.name[1] <= '6') {
      out_.end_heading();
    } else if (tag.name == "pre") {
      if (pre_depth_ > 0) --pre_depth_;
      out_.paragraph_break();
    } else if (tag.name == "li" || tag.name == "tr") {
      out_.line_break();
    } else if (one_of(kBlocks, tag.name) && !out_.in_heading()) {
      out_.paragraph_break();
    }
  }

  // Behind the tag, or for raw text at its end.
  size_t raw_end(const Tag& tag) const {
    const auto found = std::find(kSkipped.begin(), kSkipped.begin() + kRawText, tag.name);
    if (found == kSkipped.begin() + kRawText) return tag.end;
    const size_t end = find_close(html_, tag.end, tag.name);
    return end == std::string_view::npos ? html_.size() : end;
  }

  size_t title(const Tag& tag) {
    const size_t end = no_title_end_ ? std::string_view::npos : find_close(html_, tag.end, "title");
    if (end == std::string_view::npos) {
      no_title_end_ = true;  // looked for once only: a million open titles stay linear
      return tag.end;
    }
    out_.set_title(decode_entities(html_.substr(tag.end, std::min<size_t>(end - tag.end, 4000))));
    return end;
  }

  std::string_view html_;
  TextBuilder out_;
  std::string skip_;    // element whose content is left out; empty: none
  int skip_depth_ = 0;  // how many of them are open
  int pre_depth_ = 0;
  int cell_ = 0;
  bool no_title_end_ = false;
};

}  // namespace

Result<Document> read_html(std::string_view utf8, const DocumentLimits& limits) { return HtmlReader(utf8, limits).read(); }

std::string_view html_charset(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, 1024);
  for (size_t i = 0; i + 8 <= head.size(); ++i) {
    if (!equals(head.substr(i, 7), "charset")) continue;
    size_t k = i + 7;
    while (k < head.size() && is_space(head[k])) ++k;
    if (k >= head.size() || head[k] != '=') continue;
    ++k;
    while (k < head.size() && (is_space(head[k]) || head[k] == '"' || head[k] == '\'')) ++k;
    const size_t begin = k;
    while (k < head.size() && (is_letter(head[k]) || (head[k] >= '0' && head[k] <= '9') || head[k] == '-' || head[k] == '_')) ++k;
    return head.substr(begin, k - begin);
  }
  return {};
}

}  // namespace firesteel
