// Questions about any picture: what it is, and what is to be seen.
#include <array>

#include "base/check.h"
#include "data/pictures/kinds.h"

namespace firesteel::pictures {

namespace {

struct Subject {
  std::string_view name;       // "bar chart"
  std::string_view described;  // what comes before the description
  Plan (*plan)(Asker*, std::string_view);
  std::array<std::string_view, 2> questions;  // of plans whose first thought describes the whole picture
};

constexpr Subject kSubjects[] = {
    {"bar chart", "a bar chart", plan_bars, {"value", "highest"}},
    {"line chart", "a line chart", plan_lines, {"value", "lowest"}},
    {"pie chart", "a pie chart", plan_pie, {"value", "highest"}},
    {"table", "a table", plan_table, {"cell", "cell"}},
    {"clock", "a clock", plan_clock, {"analog", "full_hour"}},
    {"clock", "a digital clock", plan_clock, {"digital", "digital"}},
    {"gauge", "a gauge", plan_gauge, {"value", "value"}},
    {"thermometer", "a thermometer", plan_thermometer, {"value", "value"}},
    {"ruler", "a ruler with a bar", plan_ruler, {"end", "end"}},
    {"number line", "a number line", plan_number_line, {"distance", "distance"}},
    {"coordinate grid", "points in a coordinate grid", plan_plane, {"position", "at"}},
    {"dice", "dice", plan_dice, {"one", "highest"}},
    {"shapes", "shapes", plan_scene, {"count", "exists"}},
    {"dots", "dots", plan_dots, {"coloured", "coloured"}},
    {"text", "text", plan_reading, {"line", "line"}},
};

constexpr std::string_view kKind[] = {"what kind of picture is this?", "what is this?", "what does the picture show: a chart, a clock, something else?", "which kind of picture do you see?", "what type of picture is it?",
                                      "what sort of image is this?", "what am I looking at?", "name the kind of picture.", "what is shown here, in a word or two?",
                                      "kind of picture?", "type of picture?", "this is what kind of picture?",
                                      "which kind of picture is this?", "which kind of image is it?", "which type of image do you see?", "what kind of image is this?",
                                      "what type of image is this?", "what sort of picture is this?", "what sort of picture do you see?", "what sort of thing is shown here?",
                                      "what kind of thing is shown?", "what kind of thing do you see here?", "what is shown here: a chart, a clock or something else?",
                                      "what am I looking at, in a word?", "say in a word or two what is shown here.",
                                      "say what kind of picture it is.", "name the type of image.", "name the sort of picture.", "name in a word what is shown.",
                                      "i am looking at something: what is it?", "tell me what kind of picture this is.",
                                      "tell me which type of picture you see.", "tell me what I am looking at.", "can you tell me the kind of picture?",
                                      "is this a chart, a clock or something else?", "a chart, a clock or something else: which kind is it?"};
constexpr std::string_view kDescribe[] = {"describe the picture.", "what do you see?", "what does the picture show?", "what is in the picture?", "tell me what you see.", "read everything in the picture.", "describe what is shown.",
                                          "what is shown in this image?", "give me the contents of the picture.", "what can you see here?",
                                          "describe this picture.", "describe the image.", "describe what you see.", "describe what is in the picture.",
                                          "describe everything that is shown.", "describe the contents of the image.", "can you describe the picture?", "please describe the picture.",
                                          "tell me what the picture shows.", "tell me what is shown in the picture.", "tell me everything that you see.",
                                          "give a description of the picture.", "read all that you can see.",
                                          "read the contents of the picture.", "what can you see in the picture?", "what can you read in this image?",
                                          "what does this image show?", "what is in this image?", "what is shown here?", "what do you see in the picture?", "what do you see here?",
                                          "what are the contents of the picture?", "the picture shows what?", "i want to know everything in the picture. what is shown?",
                                          "write a description of the picture.", "i want to know what is in the picture.",
                                          "i want a description of the picture.", "i want to know what the picture shows."};

}  // namespace

Plan plan_general(Asker* ask, std::string_view question) {
  const Subject& subject = ask->one_of(kSubjects);
  Plan plan = subject.plan(ask, ask->one_of(subject.questions));
  plan.working.clear();
  plan.steps.clear();
  plan.expression.clear();
  plan.unit.clear();
  plan.grader = "exact";
  if (question == "kind") {
    plan.question = ask->word(kKind);
    plan.sees.clear();
    plan.answer = subject.name;
    return plan;
  }
  CHECK(question == "describe");
  plan.question = ask->word(kDescribe);
  std::string seen;
  for (const char c : plan.sees) seen += c == '\n' ? std::string("; ") : std::string(1, c);
  plan.sees = subject.name;  // to write all of it twice would only cost time
  plan.answer = std::string(subject.described) + ": " + seen;
  return plan;
}

}  // namespace firesteel::pictures
