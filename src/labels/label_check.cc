// What a label may say in a queue of its kind.
#include <algorithm>

#include <fmt/format.h>

#include "labels/label_queue.h"
#include "labels/label_rows.h"

namespace firesteel {
namespace {

constexpr size_t kLabelBytes = 64u << 10;

}  // namespace

Status check_label(const LabelQueue& queue, const Json& value) {
  if (!value.is_object()) return label_rows::bad("label: expected an object");
  if (value.dump().size() > kLabelBytes) return label_rows::bad(fmt::format("label: more than {} bytes", kLabelBytes));
  bool says = false;
  for (const auto& [name, member] : value.as_object()) {
    if (name == "choice") {
      if (!member.is_int() || member.as_int() < 1 || member.as_int() > 5) return label_rows::bad("choice: expected 1 to 5");
      if (queue.kind != "pairwise") return label_rows::bad("choice: the queue is of kind " + queue.kind);
      says = true;
    } else if (name == "scores") {
      if (!member.is_object()) return label_rows::bad("scores: expected an object");
      for (const auto& [side, scores] : member.as_object()) {
        if ((side != "A" && side != "B") || !scores.is_object()) return label_rows::bad("scores: expected A and B with an object each");
        for (const auto& [criterion, score] : scores.as_object()) {
          const auto& list = queue.rubric.as_array();
          const bool known = std::any_of(list.begin(), list.end(), [&c = criterion](const Json& item) { return item.find("name") != nullptr && *item.find("name") == Json(c); });
          if (!known) return label_rows::bad("scores: the rubric has no '" + criterion.substr(0, 64) + "'");
          if (!score.is_int() || score.as_int() < 0 || score.as_int() > 3) return label_rows::bad("scores: expected 0 to 3");
        }
        says = says || !scores.as_object().empty();
      }
    } else if (name == "correction" || name == "flag") {
      if (!member.is_string()) return label_rows::bad(name + ": expected a text");
      says = says || !member.as_string().empty();
    } else if (name == "tags") {
      if (!member.is_array()) return label_rows::bad("tags: expected a list");
      for (const Json& tag : member.as_array()) {
        const auto& list = queue.tags.as_array();
        if (std::find(list.begin(), list.end(), tag) == list.end()) return label_rows::bad("tags: the queue has no " + tag.dump().substr(0, 64));
      }
      says = true;
    } else if (name == "skip") {
      if (!member.is_bool()) return label_rows::bad("skip: expected true");
      says = says || member.as_bool();
    } else {
      return label_rows::bad("label: there is no member '" + name.substr(0, 64) + "'");
    }
  }
  if (!says) return label_rows::bad("label: says nothing");
  const bool aside = label_rows::is_true(value, "skip") || value.find("flag") != nullptr;
  if (queue.kind == "pairwise" && value.find("choice") == nullptr && !aside) return label_rows::bad("choice: missing");
  return {};
}

}  // namespace firesteel
