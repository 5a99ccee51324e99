#include <gtest/gtest.h>

#include <unistd.h>

#include <string>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "documents/document.h"
#include "documents/encoding.h"
#include "documents/entities.h"
#include "documents/html.h"
#include "documents/markdown.h"
#include "documents/pdf.h"

namespace firesteel {
namespace {

Document html(std::string_view text) {
  auto document = read_html(text, {});
  EXPECT_TRUE(document.ok());
  return document.ok() ? *document : Document{};
}
Document markdown(std::string_view text) {
  auto document = read_markdown(text, {});
  EXPECT_TRUE(document.ok());
  return document.ok() ? *document : Document{};
}
std::string only_text(const Document& document) { return document.sections.size() == 1 ? document.sections[0].text : "not one section"; }

TEST(Html, HeadingsBeginSectionsAndBlocksParagraphs) {
  const Document page = html(
      "<!doctype html><html><head><title>Loans &amp; more</title><style>p{}</style></head><body><h1>Loans</h1><p>One\n  two.<p>Three<br>four."
      "<h2>Rates <em>today</em></h2><ul><li>a</li><li>b <b>c</b></ul></body></html>");
  EXPECT_EQ(page.title, "Loans & more");
  ASSERT_EQ(page.sections.size(), 2u);
  EXPECT_EQ(page.sections[0].heading, "Loans");
  EXPECT_EQ(page.sections[0].text, "One two.\n\nThree\nfour.");
  EXPECT_EQ(page.sections[1].heading, "Rates today");
  EXPECT_EQ(page.sections[1].level, 2);
  EXPECT_EQ(page.sections[1].text, "- a\n- b c");
}

TEST(Html, WhatNobodySeesIsLeftOut) {
  EXPECT_EQ(only_text(html("a<script>if (1<2) document.write('<p>x</p>')</script>b<!-- <p>c -->d<template>e</template>"
                           "<div hidden>f<div>g</div>h</div><span aria-hidden=true>i</span><svg><text>j</text></svg>k")),
            "abdk");
  EXPECT_EQ(only_text(html("<p title='a > b'>text</p>")), "text");
}

TEST(Html, TablesAndPreformattedTextKeepTheirLines) {
  EXPECT_EQ(only_text(html("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>")), "a | b\n1 | 2");
  EXPECT_EQ(only_text(html("<p>x<pre>if a:\n    b</pre>y")), "x\n\nif a:\n    b\n\ny");
}

TEST(Html, ReferencesAndBadMarkupAreText) {
  EXPECT_EQ(only_text(html("3 < 4 &lt; 5 &amp;&#x41;&#66; AT&T &nosuch; &#0; &eacute;")), "3 < 4 < 5 &AB AT&T &nosuch; \xef\xbf\xbd \xc3\xa9");
  EXPECT_EQ(only_text(html("a <b unclosed")), "a");
  EXPECT_EQ(html("").sections.size(), 0u);
  EXPECT_EQ(html("<title>").title, "");
}

TEST(Html, CharsetOfThePageDecides) {
  EXPECT_EQ(html_charset("<meta charset=\"utf-8\">"), "utf-8");
  const auto page = read_document(DocumentFormat::kHtml, "<meta http-equiv=x content='text/html; charset=iso-8859-1'>caf\xe9 \x80");
  ASSERT_TRUE(page.ok());
  EXPECT_EQ(only_text(*page), "caf\xc3\xa9 \xe2\x82\xac");
  const auto undeclared = read_document(DocumentFormat::kHtml, "caf\xe9");
  ASSERT_FALSE(undeclared.ok());
  EXPECT_NE(undeclared.error().message.find("byte 3 (0xe9)"), std::string::npos);
}

TEST(Html, LongHostilePagesTakeLinearTime) {  // each of these was quadratic in some reader; here they end within a second
  std::string page;
  for (const std::string_view piece : {"<title>", "<a href=\"", "<!--", "<div hidden>", "&#", "<pre>", "<script>", "<", "</"}) {
    page.clear();
    while (page.size() < (1u << 20)) page += piece;
    EXPECT_TRUE(read_html(page, {}).ok()) << piece;
  }
}

TEST(Markdown, MarksGoAndTheirTextStays) {
  const Document page = markdown(
      "---\ntitle: \"A page\"\n---\n# Top\nSome *soft* and **hard** text with `code` and [a link](http://x/(y) \"t\").\nSecond line, snake_case, 3 * 4.\n\n"
      "Sub\n---\n1. one\n2. two ![pic](p.png)\n> quoted &amp; so\n\n| a | b |\n|---|:-:|\n| 1 | `2` |\n\n```py\nx = [1](2)\n```\nlast <b>bold</b> <https://e.org>");
  EXPECT_EQ(page.title, "A page");
  ASSERT_EQ(page.sections.size(), 2u);
  EXPECT_EQ(page.sections[0].heading, "Top");
  EXPECT_EQ(page.sections[0].text, "Some soft and hard text with code and a link. Second line, snake_case, 3 * 4.");
  EXPECT_EQ(page.sections[1].heading, "Sub");
  EXPECT_EQ(page.sections[1].text, "- one\n- two pic quoted & so\n\na | b\n1 | 2\n\nx = [1](2)\n\nlast bold https://e.org");
}

TEST(Markdown, LongHostilePagesTakeLinearTime) {
  for (const std::string_view piece : {"[", "](", "`", "` ``", "<a", "![[", "|", "*_", "# \n", "> ", "&"}) {
    std::string page;
    while (page.size() < (1u << 19)) page += piece;
    EXPECT_TRUE(read_markdown(page, {}).ok()) << piece;
  }
}

TEST(Documents, RandomMarkupGivesCleanTextWithinItsLimits) {
  const std::string_view pieces[] = {"<", ">", "&", ";", "<p>", "</p>", "<!--", "-->", "<h1>", "</h1>", "\"", "'", "=", "#", "\n", "`", "```", "[", "](", ")",
                                     "|", "---", "- ", "\xc3", "\xff", "\x01", "word", "\xe2\x82\xac", "<pre>", "</pre>", "<td>", "script", "</script>", "<script>"};
  Rng rng(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (uint64_t n = rng.below(60); n > 0; --n) text += pieces[rng.below(std::size(pieces))];
    for (const bool as_html : {true, false}) {
      DocumentLimits limits;
      limits.text_bytes_max = 50;
      const auto document = as_html ? read_html(text, limits) : read_markdown(text, limits);
      if (!document.ok()) {
        EXPECT_EQ(document.error().code, ErrorCode::kResourceExhausted);
        continue;
      }
      size_t n_bytes = 0;
      for (const DocumentSection& section : document->sections) {
        EXPECT_TRUE(is_valid_utf8(section.text) && is_valid_utf8(section.heading));
        EXPECT_EQ(clean_text(section.text), section.text);
        EXPECT_FALSE(section.text.empty() && section.heading.empty());
        n_bytes += section.text.size() + section.heading.size();
      }
      EXPECT_LE(n_bytes, limits.text_bytes_max);
    }
  }
}

TEST(Documents, PassagesCoverTheTextWithinTheirSize) {
  Document document;
  document.sections.push_back({"H", 1, "First sentence. Second one is longer than that.\n\nA paragraph of its own \xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac."});
  for (const size_t bytes_max : {4u, 7u, 20u, 50u, 1000u}) {
    std::string joined, plain;
    for (const Passage& passage : passages_of(document, bytes_max)) {
      EXPECT_LE(passage.text.size(), bytes_max);
      EXPECT_TRUE(is_valid_utf8(passage.text));
      EXPECT_EQ(passage.heading, "H");
      joined += passage.text;
    }
    const auto without_blanks = [](const std::string& text) {
      std::string out;
      for (const char c : text) {
        if (c != ' ' && c != '\n') out += c;
      }
      return out;
    };
    EXPECT_EQ(without_blanks(joined), without_blanks(document.sections[0].text)) << bytes_max;
  }
}

TEST(Encoding, MarksAndNamesDecideAndNothingIsGuessed) {
  using std::literals::operator""sv;
  EXPECT_EQ(*decode_text("\xef\xbb\xbf" "a", TextEncoding::kAuto), "a");
  EXPECT_EQ(*decode_text("\xff\xfe" "a\0\x3d\xd8\x00\xde"sv, TextEncoding::kAuto), "a\xf0\x9f\x98\x80");
  EXPECT_EQ(*decode_text("\xfe\xff\0a"sv, TextEncoding::kAuto), "a");
  EXPECT_FALSE(decode_text("\xff\xfe\x3d\xd8"sv, TextEncoding::kAuto).ok());
  EXPECT_FALSE(decode_text("a\xff", TextEncoding::kAuto).ok());
  EXPECT_FALSE(parse_encoding("ebcdic").ok());
  EXPECT_EQ(clean_text("a\r\nb\rc\x01\xff"), "a\nb\nc\xef\xbf\xbd");
}

// A PDF of one page with the given words, offsets of its table included.
std::string small_pdf(const std::string& words) {
  const std::string content = "BT /F1 12 Tf 72 720 Td (" + words + ") Tj ET";
  const std::string objects[] = {"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
                                 "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
                                 "<< /Length " + std::to_string(content.size()) + " >>\nstream\n" + content + "\nendstream",
                                 "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"};
  std::string out = "%PDF-1.4\n", table = "xref\n0 6\n0000000000 65535 f \n";
  for (size_t i = 0; i < std::size(objects); ++i) {
    std::string offset = std::to_string(out.size());
    table += std::string(10 - offset.size(), '0') + offset + " 00000 n \n";
    out += std::to_string(i + 1) + " 0 obj\n" + objects[i] + "\nendobj\n";
  }
  const size_t at = out.size();
  return out + table + "trailer << /Size 6 /Root 1 0 R >>\nstartxref\n" + std::to_string(at) + "\n%%EOF\n";
}

TEST(Pdf, IsReadInItsSandboxOrRefusedWithWhatIsMissing) {
  std::string path = testing::TempDir() + "firesteel-" + std::to_string(::getpid()) + ".pdf";
  ASSERT_TRUE(write_file_atomic(path, small_pdf("Hello sandbox")).ok());
  PdfOptions without;
  without.bwrap = "/nonexistent/bwrap";
  const auto refused = read_pdf_file(path, {}, without);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message.find("bubblewrap"), std::string::npos);
  const auto document = read_pdf_file(path, {});
  ASSERT_TRUE(write_file_atomic(path, "not a pdf").ok());
  const auto damaged = read_pdf_file(path, {});
  ::unlink(path.c_str());
  EXPECT_FALSE(damaged.ok());
  if (!pdf_missing().empty()) GTEST_SKIP() << pdf_missing();
  // Containers may forbid namespaces; then the reader says so and nothing runs outside of the sandbox.
  if (!document.ok()) {
    EXPECT_EQ(document.error().code, ErrorCode::kDataLoss) << document.error().message;
    GTEST_SKIP() << document.error().message;
  }
  ASSERT_EQ(document->sections.size(), 1u);
  EXPECT_EQ(document->sections[0].heading, "Page 1");
  EXPECT_EQ(document->sections[0].text, "Hello sandbox");
}

}  // namespace
}  // namespace firesteel
