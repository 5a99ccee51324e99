#include <algorithm>

#include <fmt/format.h>

#include "eval/png_data.h"
#include "eval/report.h"

namespace firesteel {
namespace {

constexpr const char* kStyle = R"(
:root{--ink:#1c1917;--soft:#78716c;--line:#e7e5e4;--paper:#fff;--ground:#fafaf9;--good:#15803d;--bad:#b91c1c;--fire:#c2410c}
@media(prefers-color-scheme:dark){:root{--ink:#f5f5f4;--soft:#a8a29e;--line:#44403c;--paper:#292524;--ground:#1c1917;--good:#4ade80;--bad:#f87171;--fire:#fb923c}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:68rem;margin:0 auto;padding:2rem 1.25rem 4rem}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.2rem;margin:2.5rem 0 .5rem}
.sub{color:var(--soft);margin:0 0 1.5rem;overflow-wrap:anywhere}
.card{background:var(--paper);border:1px solid var(--line);border-radius:.6rem;padding:1rem 1.1rem;overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:right;padding:.35rem .7rem;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:500;font-size:.85rem}tr:last-child td{border-bottom:0}
th:first-child,td:first-child{text-align:left;white-space:normal}
td a{color:inherit}
.num{font-variant-numeric:tabular-nums}
.bar{position:relative;display:block;width:11rem;height:.9rem;background:var(--line);border-radius:.2rem}
.bar b{position:absolute;left:0;top:0;bottom:0;background:var(--fire);border-radius:.2rem}
.bar i{position:absolute;top:.34rem;height:.22rem;background:var(--ink);opacity:.75}
.bar u{position:absolute;top:-.15rem;bottom:-.15rem;width:2px;background:var(--soft)}
.good{color:var(--good)}.bad{color:var(--bad)}.soft{color:var(--soft)}
details{background:var(--paper);border:1px solid var(--line);border-radius:.6rem;margin:.5rem 0}
summary{cursor:pointer;padding:.55rem .9rem;overflow-wrap:anywhere}
details>div{padding:.1rem .9rem .9rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--ground);border:1px solid var(--line);border-radius:.4rem;padding:.5rem .7rem;margin:.25rem 0 .6rem;font-size:.86rem}
pre.think{color:var(--soft)}
img{image-rendering:pixelated;border:1px solid var(--line);background:#fff;min-width:8rem;max-width:18rem;width:auto;height:auto;margin:.25rem .5rem .25rem 0}
.label{color:var(--soft);font-size:.8rem}
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return out;
}

// At most n bytes, cut between characters.
std::string shortened(const std::string& text, size_t n) {
  if (text.size() <= n) return text;
  while (n > 0 && (static_cast<unsigned char>(text[n]) & 0xC0) == 0x80) --n;
  return text.substr(0, n) + " ...";
}

// The share as a bar, its interval as a line on it, and the floor and goal as ticks.
std::string bar(double share, const Interval& interval, const std::optional<double>& floor, const std::optional<double>& goal) {
  std::string out = fmt::format(R"(<span class="bar"><b style="width:{:.1f}%"></b><i style="left:{:.1f}%;width:{:.1f}%"></i>)", 100 * share, 100 * interval.low,
                                100 * (interval.high - interval.low));
  for (const auto& tick : {floor, goal}) {
    if (tick) out += fmt::format(R"(<u style="left:{:.1f}%"></u>)", 100 * *tick);
  }
  return out + "</span>";
}

std::string count_cells(int64_t n_right, int64_t n, const std::optional<double>& floor, const std::optional<double>& goal) {
  const double share = static_cast<double>(n_right) / static_cast<double>(std::max<int64_t>(n, 1));
  const Interval interval = wilson_interval(n_right, n);
  const char* verdict = floor && share < *floor ? "bad" : goal && share >= *goal ? "good" : "";
  return fmt::format(R"(<td>{}</td><td class="num {}">{}</td><td class="num soft">{} &ndash; {}</td><td class="num">{}/{}</td>)", bar(share, interval, floor, goal), verdict,
                     percent(share), percent(interval.low), percent(interval.high), n_right, n);
}

std::string summary_table(const Report& report) {
  std::string out = R"(<div class="card"><table><tr><th>Suite</th><th></th><th>%</th><th>95 % interval</th><th>right</th><th>mode</th><th>tokens/item</th><th>ms/item</th></tr>)";
  for (size_t i = 0; i < report.suites.size(); ++i) {
    const SuiteReport& suite = report.suites[i];
    const auto n = static_cast<double>(std::max<int64_t>(suite.n, 1));
    out += fmt::format(R"(<tr><td><a href="#s{}">{}</a></td>{}<td>{}</td><td class="num">{:.1f}</td><td class="num">{:.1f}</td></tr>)", i, escaped(suite.name),
                       count_cells(suite.n_right, suite.n, suite.floor, suite.goal), escaped(suite.mode), static_cast<double>(suite.generated_tokens) / n,
                       static_cast<double>(suite.wall_us) / n * 1e-3);
  }
  return out + "</table></div>";
}

std::string slices_table(const SuiteReport& suite) {
  if (suite.slices.empty()) return {};
  // Open where it helps to see the shape at once; a long table would push the failures away.
  std::string out = suite.slices.size() > 12 ? "<details><summary>" + std::to_string(suite.slices.size()) + " slices</summary><div>" : "<details open><summary>Slices</summary><div>";
  out += R"(<div class="card"><table><tr><th>Slice</th><th></th><th>%</th><th>95 % interval</th><th>right</th></tr>)";
  for (const ReportCount& slice : suite.slices) {
    out += fmt::format("<tr><td><span class=\"soft\">{}</span> {}</td>{}</tr>", escaped(slice.name), escaped(slice.value), count_cells(slice.n_right, slice.n, {}, {}));
  }
  return out + "</table></div></div></details>";
}

// {"seed": 0, "mode": "tools"} as "seed 0, mode tools".
std::string settings_text(const Json& settings) {
  if (!settings.is_object()) return {};
  std::string out;
  for (const auto& [key, value] : settings.as_object()) out += (out.empty() ? "" : ", ") + key + " " + (value.is_string() ? value.as_string() : value.dump());
  return out;
}

std::string failure(const ReportItem& item) {
  std::string out = fmt::format(R"(<details><summary><span class="soft">{}</span> {} <span class="soft">expected</span> <span class="good">{}</span>, <span class="soft">read</span> <span class="bad">{}</span></summary><div>)",
                                escaped(item.id), escaped(shortened(item.question, 110)), escaped(shortened(item.expected, 60)),
                                item.read.empty() ? "nothing" : escaped(shortened(item.read, 60)));
  for (const RgbImage& image : item.images) out += fmt::format(R"(<img alt="picture of the question" src="{}">)", png_data_uri(image));
  out += fmt::format(R"(<div class="label">question</div><pre>{}</pre>)", escaped(item.question));
  if (!item.attempt.thinking.empty()) out += fmt::format(R"(<div class="label">thinking</div><pre class="think">{}</pre>)", escaped(item.attempt.thinking));
  for (const AttemptCall& call : item.attempt.calls) {
    out += fmt::format(R"(<div class="label">{}</div><pre class="think">{}
{} {}</pre>)", escaped(call.name), escaped(call.arguments), call.failed ? "failed:" : "=", escaped(call.result));
  }
  out += fmt::format(R"(<div class="label">answer ({})</div><pre>{}</pre>)", escaped(item.attempt.finish), escaped(item.attempt.text));
  if (!item.attempt.error.empty()) out += fmt::format(R"(<div class="label">error</div><pre class="bad">{}</pre>)", escaped(item.attempt.error));
  return out + "</div></details>";
}

}  // namespace

std::string report_html(const Report& report, int64_t n_failures) {
  std::string out = R"(<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Report card: )" +
                    escaped(report.model) + "</title><style>" + kStyle + "</style></head><body><main>";
  out += fmt::format("<h1>{}</h1><p class=\"sub\">{:.2f} million parameters &middot; digest {} &middot; {} &middot; {}</p>", escaped(report.model),
                     static_cast<double>(report.n_parameters) * 1e-6, escaped(report.model_digest), escaped(report.version), escaped(settings_text(report.settings)));
  out += summary_table(report);
  out += R"(<p class="soft">The dark line on a bar is the 95 % interval (Wilson); ticks are the floor and the goal of the suite.</p>)";
  for (size_t i = 0; i < report.suites.size(); ++i) {
    const SuiteReport& suite = report.suites[i];
    out += fmt::format(R"(<h2 id="s{}">{}</h2><p class="sub">{}{}{} items, digest {}; {} calls, {} cut by a limit, {} without an answer</p>)", i, escaped(suite.name),
                       escaped(suite.title), suite.title.empty() ? "" : " &middot; ", suite.n, escaped(suite.items_digest), suite.n_calls, suite.n_cut, suite.n_errors);
    if (!suite.digest_said.empty()) out += fmt::format(R"(<p class="bad">The suite names other items: digest {}.</p>)", escaped(suite.digest_said));
    out += slices_table(suite);
    const int64_t n_wrong = suite.n - suite.n_right;
    if (n_wrong == 0) continue;
    out += fmt::format("<p class=\"soft\">{} wrong answers{}</p>", n_wrong, n_wrong > n_failures ? fmt::format(", {} of them here", n_failures) : "");
    int64_t n_shown = 0;
    for (const ReportItem& item : suite.items) {
      if (item.right || n_shown >= n_failures) continue;
      out += failure(item);
      ++n_shown;
    }
  }
  return out + "</main></body></html>\n";
}

}  // namespace firesteel
