#include "base/toml_text.h"

#include <gtest/gtest.h>

namespace firesteel {
namespace {

TEST(TomlText, ForeignCharactersAreFoundOutsideOfTextsOnly) {
  EXPECT_EQ(foreign_toml_character("a = 1\nb = \"\xC2\xA1\"  # \xC2\xA1\nc = '\xC2\xA1'\n"), 0u);
  EXPECT_EQ(foreign_toml_character("a = 1\n\xC2\xA1 = 2\n"), 2u);
  EXPECT_EQ(foreign_toml_character("a = \"\"\"\n\xC2\xA1\n\"\"\"\nb = \xC2\xA1"), 4u);
  EXPECT_EQ(foreign_toml_character("a = \"\\\"\xC2\xA1\""), 0u);  // an escaped quote does not end a text
  EXPECT_EQ(foreign_toml_character("\xFF"), 1u);
  EXPECT_EQ(foreign_toml_character(""), 0u);
}

// Found by eval_fuzz: toml++ reads the rest of a bare word where we saw a text begin.
TEST(TomlText, AQuoteInsideABareWordBeginsNoText) {
  EXPECT_EQ(foreign_toml_character("a = 6/6'6\xC2\xA5 6'\n"), 1u);
  EXPECT_EQ(foreign_toml_character("a = 1.'\xC2\xA5'\n"), 1u);
  EXPECT_EQ(foreign_toml_character("a = 2to{\"x\xCF\xA9\"\n"), 1u);
  EXPECT_EQ(foreign_toml_character("a = 2 '\xCF\xA9'\n"), 1u);
  EXPECT_EQ(foreign_toml_character("a = \"\"\"x\\\xC2\xB7\"\"\"\n"), 1u);
  EXPECT_EQ(foreign_toml_character("a = \"\"\"x\\\n  \xC2\xB7\"\"\"\n"), 1u);
  EXPECT_EQ(foreign_toml_character("a.'\xC2\xA5' = [ '\xC2\xA5', \"\xC2\xA5\",\n  '\xC2\xA5' ]\nb = { '\xC2\xA5' = '\xC2\xA5' }\n['\xC2\xA5']\n"), 0u);
  EXPECT_EQ(foreign_toml_character("a={b='\xC2\xA5',c=[1,'\xC2\xA5'],d={e=\"\xC2\xA5\"}}\n[t]\nx = [\n  1,\n  '\xC2\xA5',\n]\n"), 0u);
  EXPECT_EQ(foreign_toml_character("[a.\"\xC2\xA5\".'\xC2\xA5']\na.b.'\xC2\xA5' = 1\n"), 0u);
  EXPECT_EQ(foreign_toml_character("a = [1, 2='\xC2\xA5']\n"), 1u);
  EXPECT_EQ(foreign_toml_character("a = [\n 2{'\xC2\xA5'\n]\n"), 2u);
}

}  // namespace
}  // namespace firesteel
