// Line charts and pie charts.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "data/pictures/kinds.h"
#include "data/pictures/series.h"

namespace firesteel::pictures {

namespace {

struct LineLayout {
  bool written = false;
  bool dots = true;
  int64_t step = 1;
  int64_t ticks = 5;
  double level = 5;
  double pitch = 14;
  double room = 10;
  double thickness = 1.5;
  double top = 5;   // of the highest level
  bool tidy = true;
  double width = 0;
  double height = 0;
};

constexpr double kText = 7;

void draw_lines(Canvas* canvas, const Series& series, const LineLayout& layout, const Style& style) {
  const double foot = layout.top + 10 * layout.level;
  const auto write = [&](double middle, double y, const std::string& text) {
    const double x = middle - Canvas::text_width(text, kText) / 2;
    canvas->text(layout.tidy ? down_to_five(x + 1.2) : x, y, text, kText, style.ink, style.lettering);
  };
  for (int64_t i = 0; i <= 10; i += layout.ticks) {
    const double y = foot - static_cast<double>(i) * layout.level;
    const std::string tick = std::to_string(i * layout.step);
    canvas->rectangle(layout.room, y - 0.5, canvas->width(), y + 0.5, style.faint);
    const double x = layout.room - (layout.tidy ? 1 : 2) - Canvas::text_width(tick, kText);
    canvas->text(layout.tidy ? down_to_five(x) : x, y - kText / 2, tick, kText, style.ink, style.lettering);
  }
  canvas->rectangle(layout.room - 1, 0, layout.room, foot + 1, style.ink);
  canvas->rectangle(layout.room, foot, canvas->width(), foot + 1, style.ink);
  std::vector<Point> points;
  for (size_t i = 0; i < series.values.size(); ++i) {
    points.push_back({layout.room + layout.pitch * (static_cast<double>(i) + 0.5), foot - static_cast<double>(series.values[i]) / static_cast<double>(layout.step) * layout.level});
    write(points.back().x, foot + (layout.tidy ? 6.5 : 3), series.labels[i]);
    canvas->mark(points.back().x + 1, foot + 10, std::to_string(series.values[i]));  // whose value stands above
  }
  canvas->polyline(points, layout.thickness, series.colours[0].colour);
  for (size_t i = 0; i < points.size(); ++i) {
    canvas->mark(points[i].x, points[i].y, std::to_string(series.values[i]));
    if (layout.dots) canvas->circle(points[i].x, points[i].y, layout.thickness + 0.7, series.colours[0].colour);
    const double above = points[i].y - kText - 3.5;
    if (layout.written) write(points[i].x, layout.tidy ? down_to_five(above) + 1.5 : above, std::to_string(series.values[i]));
  }
}

struct PieLayout {
  bool legend = true;    // at the right; else the names are written on the slices
  bool written = false;  // percentages in the legend
  double radius = 20;
  double hole = 0;
  bool tidy = true;
  double turn = 0;       // where the first slice begins
  double width = 0;
  double height = 0;
};

void draw_pie(Canvas* canvas, const Series& series, const PieLayout& layout, const Style& style) {
  const double x = layout.tidy ? 20 : layout.radius + 3;
  const double y = layout.tidy ? 20 : canvas->height() / 2;
  double from = layout.turn;
  for (size_t i = 0; i < series.values.size(); ++i) {
    const double to = from + 2 * std::numbers::pi * static_cast<double>(series.values[i]) / 100;
    canvas->sector(x, y, layout.hole, layout.radius, from, to, series.colours[i].colour);
    const double middle = (from + to) / 2, away = 0.7 * layout.radius;
    canvas->mark(x + away * std::sin(middle), y - away * std::cos(middle), ' ' + std::string(series.colours[i].name));
    from = to;
  }
  if (!layout.legend) return;
  const double line = 10;
  const double middle = (canvas->height() - line * static_cast<double>(series.labels.size())) / 2;
  const double top = layout.tidy ? down_to_five(middle / 2) * 2 : middle;
  for (size_t i = 0; i < series.labels.size(); ++i) {
    const double row = top + line * static_cast<double>(i);
    const std::string text = series.by_colour ? std::to_string(series.values[i]) + '%' : layout.written ? series.labels[i] + ' ' + std::to_string(series.values[i]) + '%' : series.labels[i];
    canvas->rectangle(2 * x + 1, row + 1.5, 2 * x + 8, row + 8.5, series.colours[i].colour);
    canvas->mark(2 * x + 5, row + 6, ' ' + std::string(series.colours[i].name));
    canvas->mark(2 * x + 5, row + 6, std::to_string(series.values[i]));
    canvas->text(2 * x + 10, row + 1.5, text, kText, style.ink, style.lettering);
  }
}

// Different shares that make up 100, multiples of `step`, none below 10.
void pick_shares(Asker* ask, Series* series, int64_t step) {
  const size_t n = series->labels.size();
  for (;;) {
    series->values.clear();
    int64_t left = 100;
    for (size_t i = 0; i + 1 < n; ++i) {
      const int64_t room = left - 10 * static_cast<int64_t>(n - 1 - i);
      if (room < 10) break;
      series->values.push_back(10 + step * ask->between(0, (room - 10) / step));
      left -= series->values.back();
    }
    series->values.push_back(left);
    std::vector<int64_t> sorted = series->values;
    std::sort(sorted.begin(), sorted.end());
    if (sorted.size() == n && sorted.front() >= 10 && std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end()) return;
  }
}

}  // namespace

Plan plan_lines(Asker* ask, std::string_view question) {
  Plan plan;
  Series series;
  LineLayout layout;
  series.mark = "point";
  layout.tidy = ask->tidy();
  const size_t n = static_cast<size_t>(ask->between(question == "second" ? 4 : 3, !layout.tidy ? 6 : question == "trend" ? 4 : 5));  // five only with letters below them
  do {
    pick_labels(ask, &series, n, layout.tidy ? (n <= 4 ? 3 : 1) : n <= 3 ? 4 : 3);
  } while (question == "trend" && !series.ordered);
  layout.written = ask->chance(0.4);
  constexpr int64_t kSteps[] = {1, 1, 1, 2, 5, 10, 10};
  layout.step = ask->one_of(kSteps);
  layout.ticks = ask->chance(0.5) ? 2 : 5;
  layout.level = layout.tidy ? 5 : static_cast<double>(ask->between(5, 6));
  layout.dots = ask->chance(0.8);
  layout.thickness = 1.2 + ask->rng()->uniform();
  pick_values(ask, &series, layout.step, 10 * layout.step, layout.step);
  const double tick_width = Canvas::text_width(std::to_string(10 * layout.step), kText);
  layout.room = layout.tidy ? up_to_ten(tick_width + 1) : tick_width + 4;
  double widest = layout.written ? tick_width : 0;
  for (const std::string& label : series.labels) widest = std::max(widest, Canvas::text_width(label, kText));
  layout.pitch = layout.tidy ? up_to_ten(widest + (widest > 10 || !layout.written ? 2 : 0.8)) : std::max(10.0, widest + 4) + static_cast<double>(ask->between(0, 3));
  layout.top = layout.written ? (layout.tidy ? 15 : kText + 5) : layout.tidy ? 5 : kText / 2 + 2;
  layout.width = layout.room + layout.pitch * static_cast<double>(n) + (layout.tidy ? 0 : 4);
  layout.height = layout.top + 10 * layout.level + (layout.tidy ? 15 : kText * 9 / 7 + 4);
  plan.style = pick_style(ask->rng(), layout.width, layout.height, layout.tidy);
  series.colours = pick_colours(ask->rng(), plan.style, 1);
  ask_series(ask, &plan, series, question);
  plan.draw = [series, layout, style = plan.style](Rng* rng) {
    Canvas canvas = canvas_of(style, layout.width, layout.height);
    draw_lines(&canvas, series, layout, style);
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

Plan plan_pie(Asker* ask, std::string_view question) {
  Plan plan;
  Series series;
  PieLayout layout;
  series.mark = "slice";
  series.unit = "%";
  const bool by_colour = question != "colour" && ask->chance(0.25);
  layout.written = ask->chance(0.5);
  const size_t n = static_cast<size_t>(ask->between(question == "second" ? 3 : 2, layout.written ? 5 : 4));
  pick_labels(ask, &series, n, 5);
  pick_shares(ask, &series, layout.written ? 1 : 10);
  layout.tidy = ask->tidy();
  layout.radius = layout.tidy ? 19 : static_cast<double>(ask->between(17, 24));
  layout.hole = ask->chance(0.25) ? layout.radius * 0.45 : 0;
  layout.turn = layout.tidy || ask->chance(0.5) ? 0 : ask->rng()->uniform() * 6;
  layout.legend = !by_colour || layout.written;
  layout.height = std::max(2 * layout.radius + (layout.tidy ? 2 : 4), layout.legend ? 10 * static_cast<double>(n) + (layout.tidy ? 0 : 4) : 0);
  plan.style = pick_style(ask->rng(), 110, layout.height, layout.tidy);
  series.colours = pick_colours(ask->rng(), plan.style, n);
  double widest = 0;
  for (const std::string& label : series.labels) widest = std::max(widest, Canvas::text_width(layout.written ? label + " 88%" : label, kText));
  if (by_colour) widest = Canvas::text_width("88%", kText);
  layout.width = layout.tidy ? 40 + (layout.legend ? up_to_ten(10 + widest) : 0) : 2 * layout.radius + 6 + (layout.legend ? 14 + widest : 0);
  if (by_colour) call_by_colour(&series);
  plan.style.scale = std::min({plan.style.scale, 640 / layout.width, 480 / layout.height});
  ask_series(ask, &plan, series, question);
  plan.draw = [series, layout, style = plan.style](Rng* rng) {
    Canvas canvas = canvas_of(style, layout.width, layout.height);
    draw_pie(&canvas, series, layout, style);
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

}  // namespace firesteel::pictures
