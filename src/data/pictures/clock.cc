// Clocks with hands and clocks with digits.
#include <array>
#include <cmath>
#include <numbers>

#include "base/check.h"
#include "data/pictures/kinds.h"

namespace firesteel::pictures {

namespace {

constexpr std::string_view kTime[] = {"what time is it?", "what time does the clock show?", "read the clock.", "which time is shown?", "tell me the time.", "what is the time?", "what does the clock say?",
                                      "how late is it?", "write down the time.", "time on the clock?",
                                      "how late is it on this clock?", "how late is it now?", "tell me how late it is.", "can you tell me how late it is?", "what does it say on the clock?",
                                      "the clock says what time?", "the clock shows what time?", "which time does the clock show?", "which time is on the clock?", "what time is shown on the clock?",
                                      "what time does the clock say?", "read the time.", "read the time from the clock.", "please read the clock.", "give the time shown.",
                                      "give the time on the clock.", "can you read what time it is?", "time?", "what is the time on this clock?", "say what time it is.",
                                      "write down what the clock shows.", "write the time that you read.", "please tell me what time it is.",
                                      "what time is it now?", "tell me what time it is now."};
constexpr std::string_view kLater[] = {"what time will it be in {n} minutes?", "what will the clock show in {n} minutes?", "which time will it be {n} minutes later?", "add {n} minutes: what time is it then?",
                                       "in {n} minutes, what time is it?", "what time is it {n} minutes from now?", "wait {n} minutes: what time is it?", "{n} minutes later, what does the clock say?",
                                       "in {n} minutes, what will the clock show?", "in {n} minutes, how late will it be?", "{n} minutes from now, what time will it be?",
                                       "{n} minutes from now, what will the clock say?", "{n} minutes later: what time is it?", "{n} minutes later, which time does the clock show?",
                                       "add {n} minutes to the time. what do you get?", "add {n} minutes to the time on the clock: what time is it then?", "what time is it if you add {n} minutes?",
                                       "what time is it {n} minutes later?", "what time is it when {n} minutes have passed?", "when {n} minutes have passed, what time will it be?",
                                       "after {n} minutes have passed, what does the clock show?", "what time is it after {n} minutes?", "after {n} minutes, which time will it be?",
                                       "if I wait {n} minutes, what time will it be?", "you wait {n} minutes. what does the clock show then?", "wait {n} minutes. what will the time be then?",
                                       "tell me the time {n} minutes from now.", "tell me what time it will be in {n} minutes.", "the clock runs on for {n} minutes. what time is it then?",
                                       "how late will it be {n} minutes from now?",
                                       "let the clock run for {n} minutes: what does it show then?", "if the clock runs for {n} minutes, what time will it show?"};
constexpr std::string_view kEarlier[] = {"what time was it {n} minutes ago?", "what did the clock show {n} minutes ago?", "which time was it {n} minutes earlier?", "{n} minutes ago, what time was it?",
                                         "go back {n} minutes: what time was it?", "what was the time {n} minutes before?", "take away {n} minutes: what time is it?", "{n} minutes earlier, what did the clock say?",
                                         "{n} minutes ago: what time was it?", "{n} minutes ago, what did the clock show?", "{n} minutes ago, how late was it?", "how late was it {n} minutes ago?",
                                         "how late was it {n} minutes before?", "what time was it {n} minutes before now?", "{n} minutes before, what did the clock say?",
                                         "{n} minutes before now, what was the time?", "{n} minutes earlier: which time was it?", "what time was it {n} minutes earlier?",
                                         "what was the time {n} minutes ago?", "what did the clock say {n} minutes earlier?", "go back {n} minutes. what did the clock show?",
                                         "go {n} minutes back in time: what time is it then?", "turn the clock back {n} minutes: what time is it?",
                                         "take {n} minutes away from the time. what do you get?", "take away {n} minutes from the time on the clock.", "what time is it if you take away {n} minutes?",
                                         "what time is it if you go back {n} minutes?", "tell me what time it was {n} minutes ago.", "tell me the time {n} minutes earlier.",
                                         "the clock showed what time {n} minutes ago?",
                                         "turn back the clock by {n} minutes. what does it say?", "what time is it if the clock is turned back {n} minutes?"};
constexpr std::string_view kMinutesPast[] = {"how many minutes past the hour is it?", "how many minutes are past the full hour?", "what minute does the clock show?", "how many minutes have passed since the full hour?",
                                             "which minute is it?", "read the minutes.", "minutes past the hour?", "tell me the minutes.",
                                             "minutes past the full hour?", "how many minutes past the full hour is it?", "it is how many minutes past the hour?",
                                             "tell me how many minutes past the hour it is.", "tell me how many minutes have passed since the full hour.",
                                             "since the full hour, how many minutes have passed?", "how many minutes have passed since the hour?", "how many minutes of the hour have passed?",
                                             "read how many minutes it is past the hour.", "read off the minutes past the hour.", "which minute does the clock show?", "which minute is shown?",
                                             "the clock shows which minute?", "what is the minute?", "what minute is it?", "what are the minutes?",
                                             "how many minutes does the clock show past the hour?", "give the minutes past the full hour.", "give the minute that the clock shows.",
                                             "can you read the minutes?", "how many minutes ago was the full hour?",
                                             "the full hour was how many minutes ago?", "how many minutes ago was it a full hour?"};
constexpr std::string_view kMinutesTo[] = {"how many minutes are left until the next full hour?", "how many minutes to the next hour?", "in how many minutes is it a full hour?", "how long until the next full hour, in minutes?",
                                           "minutes left to the next hour?", "how many minutes are missing to the full hour?", "how long is it to the next full hour in minutes?", "how many minutes before the next hour is it?",
                                           "minutes to the next full hour?", "minutes until the next hour?", "how many minutes until the hour is full?", "how many minutes are left to the next hour?",
                                           "how many minutes are left in this hour?", "in how many minutes is the next full hour?", "in how many minutes does the next hour begin?",
                                           "how many minutes before the next hour begins?", "the next hour begins in how many minutes?", "the next full hour is how many minutes away?",
                                           "how many minutes away is the next full hour?", "how many minutes are missing until the next hour?", "what is missing to the next full hour, in minutes?",
                                           "until the next hour, how many minutes are missing?", "until the next full hour, how many minutes are left?", "it is how many minutes before the full hour?",
                                           "how many minutes before the full hour is it?", "how long is it until the next hour, in minutes?", "how long to the next full hour in minutes?",
                                           "how long do I wait for the next full hour, in minutes?", "tell me how many minutes are left to the full hour.",
                                           "tell me how many minutes to wait until the next hour.", "can you tell me how many minutes I have to wait until the next full hour?",
                                           "give the minutes that are missing to the next hour."};
constexpr std::string_view kHand[] = {"where does the {hand} hand point?", "which number does the {hand} hand point to?", "the {hand} hand is at which number?", "read the {hand} hand.", "to which number does the {hand} hand point?",
                                      "which number is the {hand} hand at?", "tell me the number at the {hand} hand.", "where is the {hand} hand?",
                                      "the {hand} hand points where?", "the {hand} hand points to which number?", "the {hand} hand: which number?", "the {hand} hand is where?",
                                      "at which number is the {hand} hand?", "at which number does the {hand} hand stand?", "where does the {hand} hand stand?", "where is the {hand} hand at?",
                                      "where do you see the {hand} hand?", "tell me where the {hand} hand points.", "tell me to which number the {hand} hand points.",
                                      "tell me where the {hand} hand stands.", "which number is the {hand} hand pointing to?", "what is the {hand} hand pointing to?",
                                      "what number does the {hand} hand point to?", "what number is at the {hand} hand?", "what does the {hand} hand point to?", "read the number at the {hand} hand.",
                                      "read off the {hand} hand: where is it?", "find the {hand} hand. which number does it point to?", "look at the {hand} hand: at which number is it?",
                                      "give the number that the {hand} hand points to."};

std::string two_digits(int64_t n) { return (n < 10 ? "0" : "") + std::to_string(n); }
std::string time_text(int64_t hour, int64_t minute) { return std::to_string(hour) + ':' + two_digits(minute); }
int64_t twelve(int64_t hour) { return (hour + 11) % 12 + 1; }

struct Face {
  int64_t hour = 12;
  int64_t minute = 0;
  double radius = 28;
  double middle = 30;
  bool numbers = true;
  bool ticks = true;
  bool round = true;
  Colour rim, face, hands, hour_hand;
};

void draw_face(Canvas* canvas, const Face& face, const Style& style) {
  const double middle = face.middle;
  const auto at = [middle](double turn, double length) {
    const double angle = turn * 2 * std::numbers::pi;
    return Point{middle + length * std::sin(angle), middle - length * std::cos(angle)};
  };
  if (face.round) {
    canvas->circle(middle, middle, face.radius + 1, face.rim);
    canvas->circle(middle, middle, face.radius - 0.5, face.face);
  } else {
    canvas->rectangle(middle - face.radius - 1, middle - face.radius - 1, middle + face.radius + 1, middle + face.radius + 1, face.rim);
    canvas->rectangle(middle - face.radius + 0.5, middle - face.radius + 0.5, middle + face.radius - 0.5, middle + face.radius - 0.5, face.face);
  }
  const double numbers_at = face.radius - 6.5;
  for (int i = 1; i <= 12; ++i) {
    const double turn = i / 12.0;
    if (face.numbers) {
      const Point p = at(turn, numbers_at);
      canvas->text_centred(p.x, p.y - 3.5, std::to_string(i), 7, face.hands, style.lettering);
    } else if (face.ticks) {
      canvas->line(at(turn, face.radius - 1), at(turn, face.radius - (i % 3 == 0 ? 6 : 3.5)), i % 3 == 0 ? 2 : 1.2, face.hands);
    }
  }
  const double reach = face.numbers ? face.radius - 11 : face.radius - 6;
  const double minute_turn = static_cast<double>(face.minute) / 60;
  const double hour_turn = (static_cast<double>(face.hour) + minute_turn) / 12;
  canvas->line({middle, middle}, at(hour_turn, reach * 0.58), 3, face.hour_hand);
  canvas->line({middle, middle}, at(minute_turn, reach), 1.6, face.hands);
  canvas->circle(middle, middle, 2, face.hands);
  const Point hour_tip = at(hour_turn, reach * 0.58), minute_tip = at(minute_turn, reach);
  canvas->mark(hour_tip.x, hour_tip.y, std::to_string(twelve(face.hour)));
  canvas->mark(minute_tip.x, minute_tip.y, std::to_string(face.minute < 5 ? 12 : face.minute / 5));
}

void draw_with_hands(Asker* ask, Plan* plan, int64_t hour, int64_t minute) {
  Face face;
  face.hour = hour;
  face.minute = minute;
  face.numbers = ask->chance(0.7);
  const bool tidy = ask->tidy();
  face.radius = tidy ? (face.numbers ? 28 : 18) : static_cast<double>(face.numbers ? ask->between(28, 36) : ask->between(20, 30));
  face.middle = face.radius + 2;
  face.round = ask->chance(0.85);
  plan->style = pick_style(ask->rng(), 2 * face.middle, 2 * face.middle, tidy);
  const Style style = plan->style;
  face.face = style.paper;
  face.hands = style.ink;
  face.rim = ask->chance(0.6) ? style.ink : pick_colours(ask->rng(), style, 1)[0].colour;
  // Pale hands on a pale face would be hard to see: coloured hour hands are red, blue or green.
  face.hour_hand = style.dark || ask->chance(0.7) ? style.ink : shade_of(ask->rng(), ask->index(3)).colour;
  plan->draw = [face, style](Rng* rng) {
    Canvas canvas = canvas_of(style, 2 * face.middle, 2 * face.middle);
    draw_face(&canvas, face, style);
    return weathered(std::move(canvas), style, rng);
  };
}

void draw_digits(Asker* ask, Plan* plan, const std::string& text) {
  constexpr double kSizes[] = {7, 10, 14, 14, 21};
  const bool tidy = ask->tidy();
  const double size = tidy ? (ask->chance(0.5) ? 7 : 14) : ask->one_of(kSizes);
  const double margin = tidy ? 10 : static_cast<double>(ask->between(4, 9));
  const double y = tidy ? 10 + size / 7 : margin;
  const double width = tidy ? up_to_ten(Canvas::text_width(text, size)) + 20 : Canvas::text_width(text, size) + 2 * margin;
  const double height = tidy ? size * 10 / 7 + 20 : size + 2 * margin;
  const Style style = plan->style = pick_style(ask->rng(), width, height, tidy);
  const bool lit = ask->chance(0.3);
  const Colour ink = lit ? shade_of(ask->rng(), ask->chance(0.5) ? 1 : 0).colour : style.ink;
  const bool framed = ask->chance(0.4);
  plan->draw = [=](Rng* rng) {
    Canvas canvas = canvas_of(style, width, height);
    if (lit) canvas.rectangle(1, 1, width - 1, height - 1, {10, 10, 10});
    if (framed) canvas.frame(0, 0, width, height, 1.5, style.ink);
    canvas.text(margin, y, text, size, ink, style.lettering);
    return weathered(std::move(canvas), style, rng);
  };
}

}  // namespace

Plan plan_clock(Asker* ask, std::string_view question) {
  Plan plan;
  const bool digital = question == "digital" || (question != "full_hour" && question != "analog" && question != "hand" && ask->chance(0.35));
  int64_t hour = ask->between(1, 12);
  int64_t minute = 5 * ask->between(0, 11);
  if (question == "full_hour") minute = ask->chance(0.6) ? 0 : 30;
  const bool to_next_hour = question == "minutes" && ask->chance(0.5);
  if (digital) {
    hour = ask->between(0, 23);
    minute = ask->between(0, 59);
  }
  if (to_next_hour && minute == 0) minute = 5;
  const bool leading_zero = digital && ask->chance(0.5);
  const std::string shown = (leading_zero ? two_digits(hour) : std::to_string(hour)) + ':' + two_digits(minute);
  plan.combination = time_text(hour, minute);
  // What the hands say: the hour that the short hand has passed, and the number at which the long one is.
  const std::string minute_mark = std::to_string(minute == 0 ? 12 : minute / 5);
  plan.sees = digital ? shown : "short hand " + std::to_string(hour) + ", long hand " + minute_mark;
  const std::string now = digital ? shown : time_text(hour, minute);

  if (question == "full_hour" || question == "analog" || question == "digital") {
    plan.question = ask->word(kTime);
    if (!digital) plan.working = now;
    plan.answer = now;
  } else if (question == "later" || question == "earlier") {
    const bool later = question == "later";
    const int64_t shift = 5 * ask->between(1, 11);
    const int64_t cycle = digital ? 24 : 12;
    const int64_t total = (hour * 60 + minute + (later ? shift : -shift) + cycle * 60) % (cycle * 60);
    const int64_t new_hour = digital ? total / 60 : twelve(total / 60);
    plan.question = ask->word(later ? Words(kLater) : Words(kEarlier), {{"n", std::to_string(shift)}});
    plan.answer = (leading_zero ? two_digits(new_hour) : std::to_string(new_hour)) + ':' + two_digits(total % 60);
    plan.combination += '|' + std::to_string(shift);
    const int64_t minutes = later ? minute + shift : minute - shift;
    plan.working = now + "\n" + std::to_string(minute) + (later ? " + " : " - ") + std::to_string(shift) + " = " + std::to_string(minutes);
  } else if (question == "minutes") {
    plan.grader = "number";
    plan.working = now;
    if (!to_next_hour) {
      plan.question = ask->word(kMinutesPast);
      plan.answer = std::to_string(minute);
    } else {
      plan.question = ask->word(kMinutesTo);
      plan.expression = "60-" + std::to_string(minute);
      plan.answer = std::to_string(60 - minute);
      plan.steps = "60 - " + std::to_string(minute) + " = " + plan.answer;
    }
  } else {
    CHECK(question == "hand");
    const bool long_hand = ask->chance(0.6);
    if (!long_hand) minute = 0;
    constexpr std::array<std::array<std::string_view, 2>, 2> kNames = {{{"short", "hour"}, {"long", "minute"}}};
    plan.question = ask->word(kHand, {{"hand", std::string(ask->one_of(kNames[long_hand ? 1 : 0]))}});
    plan.sees = "short hand " + std::to_string(hour) + ", long hand " + (long_hand ? minute_mark : "12");
    plan.answer = long_hand ? minute_mark : std::to_string(hour);
    plan.grader = "number";
  }
  const std::string drawn = (leading_zero ? two_digits(hour) : std::to_string(hour)) + ':' + two_digits(minute);
  if (digital) {
    draw_digits(ask, &plan, drawn);
  } else {
    draw_with_hands(ask, &plan, hour, minute);
  }
  return plan;
}

}  // namespace firesteel::pictures
