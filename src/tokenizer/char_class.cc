#include "tokenizer/char_class.h"

#include <utf8proc.h>

namespace firesteel {
namespace {

constexpr std::array<CharClass, 30> category_classes() {
  std::array<CharClass, 30> table{};
  table[UTF8PROC_CATEGORY_LU] = table[UTF8PROC_CATEGORY_LT] = kLetter | kUpperSet;
  table[UTF8PROC_CATEGORY_LL] = kLetter | kLowerSet;
  table[UTF8PROC_CATEGORY_LM] = table[UTF8PROC_CATEGORY_LO] = kLetter | kUpperSet | kLowerSet;
  table[UTF8PROC_CATEGORY_MN] = table[UTF8PROC_CATEGORY_MC] = table[UTF8PROC_CATEGORY_ME] = kMark | kUpperSet | kLowerSet;
  table[UTF8PROC_CATEGORY_ND] = table[UTF8PROC_CATEGORY_NL] = table[UTF8PROC_CATEGORY_NO] = kNumber;
  for (int c = UTF8PROC_CATEGORY_PC; c <= UTF8PROC_CATEGORY_PO; ++c) table[static_cast<size_t>(c)] = kPunct;
  for (int c = UTF8PROC_CATEGORY_SM; c <= UTF8PROC_CATEGORY_SO; ++c) table[static_cast<size_t>(c)] = kSymbol;
  table[UTF8PROC_CATEGORY_ZS] = table[UTF8PROC_CATEGORY_ZL] = table[UTF8PROC_CATEGORY_ZP] = kSpace;
  return table;
}

constexpr std::array<CharClass, 30> kCategoryClass = category_classes();

}  // namespace

CharClass class_of(uint32_t code_point) {
  if (code_point < 0x80) return kAsciiClass[code_point];
  // White_Space is the separators plus a few controls, of which U+0085 is the only one outside ASCII.
  if (code_point == 0x85) return kSpace;
  const auto category = static_cast<size_t>(utf8proc_category(static_cast<utf8proc_int32_t>(code_point)));
  return category < kCategoryClass.size() ? kCategoryClass[category] : CharClass{0};
}

}  // namespace firesteel
