#include "train/train_log.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>
#include <vector>

#include "base/mapped_file.h"

namespace firesteel {
namespace {

constexpr uint64_t kLogBytesMax = 1u << 30;
constexpr int kWidth = 860, kHeight = 360, kLeft = 56, kBottom = 330, kTop = 20;

Error io(const std::string& path, const char* what) { return {ErrorCode::kIo, path + ": " + what + ": " + std::strerror(errno)}; }

template <typename Fn>
void for_lines(std::string_view text, Fn fn) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return;  // a line that was cut off
    fn(text.substr(at, end - at));
    at = end + 1;
  }
}

double number(const Json& line, const char* key) {
  const Json* value = line.find(key);
  return value != nullptr && value->is_number() ? value->as_double() : std::nan("");
}

struct Point {
  double x, y;
};
using Lines = std::map<std::string, std::vector<Point>>;

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

// At most about 400 points: means of neighbours.
std::vector<Point> thin(const std::vector<Point>& points) {
  const size_t group = points.size() / 400 + 1;
  std::vector<Point> out;
  for (size_t i = 0; i < points.size(); i += group) {
    const size_t n = std::min(group, points.size() - i);
    double y = 0;
    for (size_t j = 0; j < n; ++j) y += points[i + j].y;
    out.push_back({points[i + n - 1].x, y / static_cast<double>(n)});
  }
  return out;
}

std::string chart(const std::string& title, const Lines& lines, double y_min, double y_max) {
  double x_max = 1;
  for (const auto& [name, points] : lines) {
    for (const Point& p : points) x_max = std::max(x_max, p.x);
  }
  static const char* const kColours[] = {"#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#bf3989", "#57606a", "#0a7ea4"};
  std::string out = "<h2>" + title + "</h2>\n<svg viewBox=\"0 0 " + std::to_string(kWidth) + " " + std::to_string(kHeight) + "\">\n";
  const auto px = [&](double x) { return text_of(kLeft + (kWidth - kLeft - 10) * x / x_max); };
  const auto py = [&](double y) { return text_of(kBottom - (kBottom - kTop) * (std::clamp(y, y_min, y_max) - y_min) / (y_max - y_min)); };
  for (int i = 0; i <= 5; ++i) {
    const double y = y_min + (y_max - y_min) * i / 5, x = x_max * i / 5;
    out += "<line x1=\"" + std::to_string(kLeft) + "\" x2=\"" + std::to_string(kWidth - 10) + "\" y1=\"" + py(y) + "\" y2=\"" + py(y) +
           "\" stroke=\"#8884\"/><text x=\"4\" y=\"" + py(y) + "\">" + text_of(y) + "</text><text x=\"" + px(x) + "\" y=\"350\" text-anchor=\"end\">" +
           text_of(x / 1e6) + "M</text>\n";
  }
  int index = 0;
  for (const auto& [name, points] : lines) {
    const char* colour = kColours[index % 8];
    out += "<polyline fill=\"none\" stroke-width=\"1.6\" stroke=\"" + std::string(colour) + "\" points=\"";
    for (const Point& p : thin(points)) out += px(p.x) + "," + py(p.y) + " ";
    out += "\"/><text x=\"" + std::to_string(kWidth - 190) + "\" y=\"" + std::to_string(kTop + 14 + 15 * index) + "\" fill=\"" + colour + "\">" + name + "</text>\n";
    ++index;
  }
  return out + "</svg>\n";
}

}  // namespace

Result<TrainLog> TrainLog::open(const std::string& folder, int64_t last_step) {
  TrainLog log;
  log.folder_ = folder;
  const std::string path = folder + "/log.jsonl";
  std::string kept;
  const Result<std::string> old = read_file(path, kLogBytesMax);
  if (old.ok()) {
    for_lines(*old, [&](std::string_view line) {
      const Result<Json> json = Json::parse(line);
      if (json.ok() && number(*json, "step") <= static_cast<double>(last_step)) kept += std::string(line) + "\n";
    });
  } else if (old.error().code != ErrorCode::kNotFound) {
    return old.error();
  }
  FS_TRY_VOID(write_file_atomic(path, kept));
  log.file_.reset(std::fopen(path.c_str(), "ab"));
  if (log.file_ == nullptr) return io(path, "cannot open");
  return log;
}

Status TrainLog::append(const Json& line) {
  const std::string text = line.dump() + "\n";
  if (std::fwrite(text.data(), 1, text.size(), file_.get()) != text.size() || std::fflush(file_.get()) != 0) return io(folder_ + "/log.jsonl", "cannot write");
  return {};
}

Status TrainLog::draw(const std::string& title) const {
  FS_TRY(const std::string text, read_file(folder_ + "/log.jsonl", kLogBytesMax));
  Lines losses, tokens_right, samples_right;
  for_lines(text, [&](std::string_view line) {
    const Result<Json> json = Json::parse(line);
    if (!json.ok()) return;
    const double x = number(*json, "tokens");
    const Json* eval = json->find("eval");
    if (eval == nullptr) {
      losses["training"].push_back({x, number(*json, "loss")});
      return;
    }
    if (!eval->is_object()) return;
    for (const auto& [kind, value] : eval->as_object()) {
      losses["held out: " + kind].push_back({x, number(value, "loss")});
      tokens_right[kind].push_back({x, 100 * number(value, "token_accuracy")});
      samples_right[kind].push_back({x, 100 * number(value, "sample_accuracy")});
    }
  });
  std::vector<double> values;
  for (const auto& [name, points] : losses) {
    for (const Point& p : points) values.push_back(p.y);
  }
  std::sort(values.begin(), values.end());
  const double high = values.empty() ? 1 : std::max(0.1, values[values.size() * 98 / 100]);  // the first steps do not set the scale
  std::string html = "<!doctype html><meta charset=\"utf-8\"><title>" + title +
                     "</title><style>body{font:15px system-ui;max-width:900px;margin:2em auto;color:#24292f;background:#fff}svg{width:100%}"
                     "text{font:11px system-ui}@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}text{fill:#ccc}}</style>\n<h1>" +
                     title + "</h1>\n";
  html += chart("Loss (nats per token) over tokens", losses, 0, high);
  html += chart("Held out: tokens right, %", tokens_right, 0, 100);
  html += chart("Held out: whole samples right, the right text before each token, %", samples_right, 0, 100);
  return write_file_atomic(folder_ + "/curve.html", html);
}

}  // namespace firesteel
