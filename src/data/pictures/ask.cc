#include "data/pictures/ask.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace firesteel::pictures {

uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  hash ^= hash >> 32U;  // the low bits of FNV are weak for short texts
  hash *= 0x9e3779b97f4a7c15U;
  return hash ^ (hash >> 29U);
}

bool is_held_out(Words wordings, size_t index) {
  if (wordings.size() < 3) return false;
  const auto chosen = [&](size_t i) { return hash_of(wordings[i]) % 100 < 15; };
  size_t lowest = 0;
  size_t n_chosen = 0;
  for (size_t i = 0; i < wordings.size(); ++i) {
    n_chosen += chosen(i) ? 1U : 0U;
    if (hash_of(wordings[i]) < hash_of(wordings[lowest])) lowest = i;
  }
  // None, or more than half: then the one with the lowest hash.
  return n_chosen == 0 || 2 * n_chosen > wordings.size() ? index == lowest : chosen(index);
}

bool is_reserved(std::string_view combination) {
  return !combination.empty() && (combination.front() == '!' || hash_of(combination) % 10 == 3);
}

std::vector<size_t> Asker::some_of(size_t n, size_t of) {
  CHECK(n <= of);
  std::vector<size_t> all(of);
  std::iota(all.begin(), all.end(), size_t{0});
  for (size_t i = 0; i < n; ++i) std::swap(all[i], all[i + index(of - i)]);
  all.resize(n);
  return all;
}

std::string Asker::word(Words wordings, Slots slots) {
  CHECK(!wordings.empty());
  std::vector<size_t> usable;
  for (size_t i = 0; i < wordings.size(); ++i) {
    if (is_held_out(wordings, i) == held_out_wording_) usable.push_back(i);
  }
  const size_t chosen = usable.empty() ? index(wordings.size()) : one_of(usable);
  used_held_out_ = is_held_out(wordings, chosen);
  return capital(fill_slots(wordings[chosen], slots));
}

std::string fill_slots(std::string_view text, Slots slots) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t end = text[i] == '{' ? text.find('}', i) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out += text[i++];
      continue;
    }
    const std::string_view name = text.substr(i + 1, end - i - 1);
    const auto* slot = std::find_if(slots.begin(), slots.end(), [&](const auto& candidate) { return candidate.first == name; });
    CHECK(slot != slots.end());
    out += slot->second;
    i = end + 1;
  }
  return out;
}

std::string capital(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

std::string joined(std::span<const std::string> parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

std::string best_so_far(std::span<const std::string> entries, std::span<const int64_t> values, bool highest) {
  CHECK(entries.size() == values.size());
  std::string out;
  size_t best = 0;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (highest ? values[i] > values[best] : values[i] < values[best]) best = i;
    out += i == 0 ? entries[0] : "; " + entries[i] + ": " + entries[best];
  }
  return out;
}

std::string compared(const std::string& a, const std::string& b, int64_t value_a, int64_t value_b) {
  return a + ", " + b + ": " + (value_a < value_b ? "<" : value_a > value_b ? ">" : "=");
}

std::string asked_and_seen(const std::string& a, const std::string& b, bool greater, int64_t value_a, int64_t value_b, const std::string& unit) {
  return a + (greater ? " > " : " < ") + b + "? " + compared(a + ' ' + std::to_string(value_a) + unit, b + ' ' + std::to_string(value_b) + unit, value_a, value_b);
}

std::string counted(std::span<const std::string> entries) {
  std::string out;
  for (size_t i = 0; i < entries.size(); ++i) out += (i > 0 ? ", " : "") + entries[i] + ": " + std::to_string(i + 1);
  return out.empty() ? "none" : out;
}

double up_to_ten(double length) { return std::ceil(length / 10 - 1e-9) * 10; }
double down_to_five(double x) { return std::floor(x / 5 + 1e-9) * 5; }

Canvas canvas_of(const Style& style, double width, double height) { return {width, height, style.scale, style.paper}; }

Drawing weathered(Canvas canvas, const Style& style, Rng* rng) {
  if (style.gradient > 0 || style.noise > 0) canvas.weather(rng, style.gradient, style.noise);
  return canvas.take_drawing();
}

}  // namespace firesteel::pictures
