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
  double top = 5;           // of the highest level, where the bars stand
  bool tidy = true;
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
  const double foot = layout.top + 10 * layout.level;
  const double left = layout.label_room;
  const auto write = [&](double middle, double y, const std::string& text) {
    const double x = middle - Canvas::text_width(text, layout.text) / 2;
    canvas->text(layout.tidy ? down_to_five(x + 1.2) : x, y, text, layout.text, style.ink, style.lettering);
  };
  if (layout.axis) {
    for (int64_t i = 0; i <= 10; i += layout.ticks) {
      const double y = foot - static_cast<double>(i) * layout.level;
      const std::string tick = std::to_string(i * layout.step);
      const double x = left - (layout.tidy ? 1 : 2) - Canvas::text_width(tick, layout.text);
      canvas->rectangle(left, y - 0.5, canvas->width(), y + 0.5, style.faint);
      canvas->text(layout.tidy ? down_to_five(x) : x, y - layout.text / 2, tick, layout.text, style.ink, style.lettering);
    }
  }
  for (size_t i = 0; i < series.values.size(); ++i) {
    const double middle = left + layout.pitch * (static_cast<double>(i) + 0.5);
    const double y = foot - static_cast<double>(series.values[i]) / static_cast<double>(layout.step) * layout.level;
    const double half = layout.pitch * layout.bar / 2;
    canvas->rectangle(middle - half, y, middle + half, foot, colour_of(series, i).colour);
    canvas->mark(middle, y + 1, std::to_string(series.values[i]));
    canvas->mark(middle, foot - 1, ' ' + std::string(colour_of(series, i).name));
    const double above = y - layout.text - 1.5;
    if (layout.written) write(middle, layout.tidy ? down_to_five(above) + 1.5 : above, std::to_string(series.values[i]));
    if (series.by_colour) continue;
    write(middle, foot + (layout.tidy ? 6.5 : 3), series.labels[i]);
    canvas->mark(middle + 1, foot + 10, std::to_string(series.values[i]));  // whose value stands above
  }
  canvas->rectangle(left, foot, canvas->width(), foot + 1, style.ink);
  if (layout.axis) canvas->rectangle(left - 1, 0, left, foot + 1, style.ink);
}

void draw_lying(Canvas* canvas, const Series& series, const Layout& layout, const Style& style) {
  const double left = layout.label_room;
  const double foot = layout.pitch * static_cast<double>(series.values.size());
  if (layout.axis) {
    for (int64_t i = 0; i <= 10; i += layout.ticks) {
      const double at = left + static_cast<double>(i) * layout.level;
      const std::string tick = std::to_string(i * layout.step);
      const double x = at - Canvas::text_width(tick, layout.text) / 2;
      canvas->rectangle(at - 0.5, 0, at + 0.5, foot, style.faint);
      canvas->text(layout.tidy ? down_to_five(x + 1.2) : x, foot + 2, tick, layout.text, style.ink, style.lettering);
    }
  }
  for (size_t i = 0; i < series.values.size(); ++i) {
    const double middle = layout.pitch * (static_cast<double>(i) + 0.5);
    const double end = left + static_cast<double>(series.values[i]) / static_cast<double>(layout.step) * layout.level;
    const double half = layout.pitch * layout.bar / 2;
    canvas->rectangle(left, middle - half, end, middle + half, colour_of(series, i).colour);
    canvas->mark(left + 2, middle + half - 1, ' ' + std::string(colour_of(series, i).name));
    canvas->mark(end - 0.5, middle + 1, ' ' + series.labels[i]);
    if (layout.written) canvas->text(layout.tidy ? down_to_five(end + 5.5) : end + 2, middle - layout.text / 2, std::to_string(series.values[i]), layout.text, style.ink, style.lettering);
    if (!series.by_colour) {
      const double x = left - (layout.tidy ? 1 : 3) - Canvas::text_width(series.labels[i], layout.text);
      canvas->text(layout.tidy ? down_to_five(x) : x, middle - layout.text / 2, series.labels[i], layout.text, style.ink, style.lettering);
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
  layout.tidy = ask->tidy();
  layout.lying = ask->chance(0.35);
  layout.written = ask->chance(0.5);
  layout.axis = !layout.written || ask->chance(0.3);
  const bool needs_four = question == "count_above" || question == "count";
  size_t n = static_cast<size_t>(ask->between(question == "second" ? 3 : 2, question == "total" ? 4 : 5));
  if (needs_four) n = static_cast<size_t>(ask->between(2, 7));
  // Long labels only where they fit.
  const size_t longest = layout.lying ? 6 : layout.tidy ? (n <= 4 ? 3 : 1) : n <= 3 ? 5 : 3;
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
  const bool by_colour = ask->chance(0.12) && question != "colour";
  const bool colourful = by_colour || question == "colour" || ask->chance(0.4);
  plan.style = pick_style(ask->rng(), 110, 80, layout.tidy);
  series.colours = pick_colours(ask->rng(), plan.style, colourful ? n : 1);
  if (by_colour) call_by_colour(&series);

  layout.bar = layout.tidy ? 0.6 : 0.45 + 0.35 * ask->rng()->uniform();
  const double tick_width = Canvas::text_width(std::to_string(10 * layout.step), layout.text);
  const double labels = widest(series, layout.text);
  const auto free = [&](int64_t low, int64_t high) { return static_cast<double>(ask->between(low, high)); };
  layout.level = layout.tidy ? 5 : free(layout.ticks == 2 ? 5 : 4, 6);
  if (layout.lying) {
    layout.pitch = layout.tidy ? 10 : free(10, 13);
    layout.label_room = layout.tidy ? up_to_ten(labels + 1) : labels + 5;
    if (tick_width + 2 > 2 * layout.level) layout.ticks = 5;  // numbers side by side
    layout.width = layout.label_room + 10 * layout.level + (layout.written ? 20 : 10);
    layout.height = layout.pitch * static_cast<double>(n) + (layout.axis ? 10 : 0);
  } else {
    const double written_width = layout.written ? (layout.axis ? tick_width : 10) : 0;
    const double need = std::max({8.0, labels + (layout.tidy ? 2 : 4), written_width + (layout.tidy ? 0.8 : 3)});
    layout.pitch = layout.tidy ? up_to_ten(need) : need + free(0, 4);
    layout.label_room = layout.axis ? (layout.tidy ? up_to_ten(tick_width + 1) : tick_width + 4) : layout.tidy ? 0 : 2;
    layout.top = layout.written ? (layout.tidy ? 15 : layout.text + 4) : layout.tidy ? 5 : layout.text / 2 + 1;
    layout.width = layout.label_room + layout.pitch * static_cast<double>(n) + (layout.tidy ? 0 : 4);
    layout.height = layout.top + 10 * layout.level + (series.by_colour ? 5 : layout.tidy ? 15 : layout.text * 9 / 7 + 4);
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
