// Bar charts: standing or lying, with values written at the bars or read off an axis.
#include <algorithm>

#include "data/pictures/kinds.h"
#include "data/pictures/series.h"

namespace firesteel::pictures {

namespace {

struct Layout {
  bool lying = false;
  bool written = false;     // values at the bars
  bool axis = true;         // ticks and grid
  int64_t step = 1;         // value of one level; the axis has ten
  int64_t ticks = 5;        // levels between two ticks
  double level = 5;         // units per level
  double pitch = 12;        // units from bar to bar
  double label_room = 0;    // for labels or ticks at the left
  double width = 0;
  double height = 0;
  double bar = 0.7;         // its part of the pitch
  double text = 7;
};

const NamedColour& colour_of(const Series& series, size_t i) { return series.colours[series.colours.size() == 1 ? 0 : i]; }

double widest(const Series& series, double size) {
  double most = 0;
  for (const std::string& label : series.labels) most = std::max(most, Canvas::text_width(label, size));
  return series.by_colour ? 0 : most;
}

void draw_standing(Canvas* canvas, const Series& series, const Layout& layout, const Style& style) {
  const double top = layout.written ? layout.text + 4 : layout.text / 2 + 1;
  const double foot = top + 10 * layout.level;
  const double left = layout.label_room;
  if (layout.axis) {
    for (int64_t i = 0; i <= 10; i += layout.ticks) {
      const double y = foot - static_cast<double>(i) * layout.level;
      const std::string tick = std::to_string(i * layout.step);
      canvas->rectangle(left, y - 0.5, canvas->width(), y + 0.5, style.faint);
      canvas->text(left - 2 - Canvas::text_width(tick, layout.text), y - layout.text / 2, tick, layout.text, style.ink, style.lettering);
    }
  }
  for (size_t i = 0; i < series.values.size(); ++i) {
    const double middle = left + 2 + layout.pitch * (static_cast<double>(i) + 0.5);
    const double y = foot - static_cast<double>(series.values[i]) / static_cast<double>(layout.step) * layout.level;
    const double half = layout.pitch * layout.bar / 2;
    canvas->rectangle(middle - half, y, middle + half, foot, colour_of(series, i).colour);
    if (layout.written) canvas->text_centred(middle, y - layout.text - 1.5, std::to_string(series.values[i]), layout.text, style.ink, style.lettering);
    if (!series.by_colour) canvas->text_centred(middle, foot + 3, series.labels[i], layout.text, style.ink, style.lettering);
  }
  canvas->rectangle(left, foot, canvas->width(), foot + 1, style.ink);
  if (layout.axis) canvas->rectangle(left - 1, 0, left, foot + 1, style.ink);
}

void draw_lying(Canvas* canvas, const Series& series, const Layout& layout, const Style& style) {
  const double left = layout.label_room;
  const double foot = 2 + layout.pitch * static_cast<double>(series.values.size());
  if (layout.axis) {
    for (int64_t i = 0; i <= 10; i += layout.ticks) {
      const double x = left + static_cast<double>(i) * layout.level;
      canvas->rectangle(x - 0.5, 0, x + 0.5, foot, style.faint);
      canvas->text_centred(x, foot + 3, std::to_string(i * layout.step), layout.text, style.ink, style.lettering);
    }
  }
  for (size_t i = 0; i < series.values.size(); ++i) {
    const double middle = 2 + layout.pitch * (static_cast<double>(i) + 0.5);
    const double x = left + static_cast<double>(series.values[i]) / static_cast<double>(layout.step) * layout.level;
    const double half = layout.pitch * layout.bar / 2;
    canvas->rectangle(left, middle - half, x, middle + half, colour_of(series, i).colour);
    if (layout.written) canvas->text(x + 2, middle - layout.text / 2, std::to_string(series.values[i]), layout.text, style.ink, style.lettering);
    if (!series.by_colour) {
      canvas->text(left - 3 - Canvas::text_width(series.labels[i], layout.text), middle - layout.text / 2, series.labels[i], layout.text, style.ink, style.lettering);
    }
  }
  canvas->rectangle(left - 1, 0, left, foot, style.ink);
  if (layout.axis) canvas->rectangle(left, foot, canvas->width(), foot + 1, style.ink);
}

}  // namespace

Plan plan_bars(Asker* ask, std::string_view question) {
  Plan plan;
  Series series;
  Layout layout;
  layout.lying = ask->chance(0.35);
  layout.written = ask->chance(0.5);
  layout.axis = !layout.written || ask->chance(0.3);
  const bool needs_four = question == "count_above" || question == "count";
  size_t n = static_cast<size_t>(ask->between(question == "second" ? 3 : 2, question == "total" ? 4 : 5));
  if (needs_four) n = static_cast<size_t>(ask->between(2, 7));
  // Long labels only where they fit.
  const size_t longest = layout.lying ? 6 : n <= 3 ? 5 : n <= 5 ? 3 : 1;
  pick_labels(ask, &series, n, longest);

  if (layout.written && !layout.axis) {
    layout.step = 10;
    pick_values(ask, &series, 3, 99, 1);
  } else {
    constexpr int64_t kSteps[] = {1, 1, 1, 2, 5, 10, 10};
    layout.step = ask->one_of(kSteps);
    pick_values(ask, &series, layout.step, 10 * layout.step, layout.step);
    layout.ticks = ask->chance(0.5) ? 2 : 5;
  }
  layout.level = static_cast<double>(ask->between(layout.ticks == 2 ? 5 : 4, 6));
  const double tick_room = layout.axis ? Canvas::text_width(std::to_string(10 * layout.step), layout.text) + 4 : 2;
  const bool by_colour = ask->chance(0.12) && question != "colour";
  const bool colourful = by_colour || question == "colour" || ask->chance(0.4);
  plan.style = pick_style(ask->rng(), 110, 80);
  series.colours = pick_colours(ask->rng(), plan.style, colourful ? n : 1);
  if (by_colour) call_by_colour(&series);

  layout.bar = 0.45 + 0.35 * ask->rng()->uniform();
  if (layout.lying) {
    layout.pitch = static_cast<double>(ask->between(10, 13));
    layout.label_room = widest(series, layout.text) + 5;
    if (Canvas::text_width(std::to_string(10 * layout.step), layout.text) + 2 > 2 * layout.level) layout.ticks = 5;  // numbers side by side
    layout.width = layout.label_room + 10 * layout.level + (layout.written ? 16 : 10);
    layout.height = 2 + layout.pitch * static_cast<double>(n) + (layout.axis ? layout.text + 5 : 2);
  } else {
    const double written_width = layout.written ? Canvas::text_width("88", layout.text) + (layout.step >= 10 && layout.axis ? 6 : 0) : 0;
    layout.pitch = std::max({8.0, widest(series, layout.text) + 4, written_width + 3}) + static_cast<double>(ask->between(0, 4));
    layout.label_room = tick_room;
    layout.width = layout.label_room + layout.pitch * static_cast<double>(n) + 4;
    layout.height = 10 * layout.level + (layout.written ? layout.text + 4 : layout.text / 2 + 1) + (series.by_colour ? 3 : layout.text * 9 / 7 + 4);
  }
  plan.style.scale = std::min({plan.style.scale, 640 / layout.width, 480 / layout.height});
  ask_series(ask, &plan, series, question);
  plan.draw = [series, layout, style = plan.style](Rng* rng) {
    Canvas canvas = canvas_of(style, layout.width, layout.height);
    if (layout.lying) {
      draw_lying(&canvas, series, layout, style);
    } else {
      draw_standing(&canvas, series, layout, style);
    }
    return weathered(std::move(canvas), style, rng);
  };
  return plan;
}

}  // namespace firesteel::pictures
