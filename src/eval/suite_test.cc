#include "eval/suite.h"

#include <unistd.h>
#include <zlib.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "eval/reader_impl.h"
#include "eval/readers.h"

namespace firesteel {
namespace {

class TestFolder {
 public:
  TestFolder() {
    path_ = testing::TempDir() + "firesteel_suite_" + std::to_string(getpid()) + "_" + std::to_string(n_made_++);
    std::filesystem::create_directories(path_);
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path_ + "/" + name).parent_path());
    EXPECT_TRUE(write_file_atomic(path_ + "/" + name, text).ok());
    return path_ + "/" + name;
  }

 private:
  static inline int n_made_ = 0;
  std::string path_;
};

std::string error_of(const std::string& toml) {
  const auto suite = parse_suite(toml, "s.toml");
  return suite.ok() ? "" : suite.error().message;
}

TEST(Suite, ReadsSettings) {
  const auto suite = parse_suite(
      "name = \"kindling/math\"\ntitle = \"Math\"\nmode = \"tools\"\nfloor = 0.85\ngoal = 0.95\nmax_tokens = 100\n[source]\nkind = \"synth\"\n"
      "kinds = { \"math\" = 0.8, \"dates\" = 0.2 }\nseed = 7\ncount = 500\ndigest = \"00\"\n",
      "s.toml");
  ASSERT_TRUE(suite.ok()) << suite.error().message;
  EXPECT_EQ(suite->name, "kindling/math");
  EXPECT_EQ(suite->mode, EvalMode::kTools);
  EXPECT_EQ(suite->source.kind, SuiteSource::Kind::kSynth);
  EXPECT_EQ(suite->source.kinds.size(), 2u);
  EXPECT_EQ(suite->source.count, 500);
  EXPECT_EQ(*suite->floor, 0.85);
}

TEST(Suite, RefusesWhatItDoesNotKnow) {
  EXPECT_NE(error_of("").find("name: expected"), std::string::npos);
  EXPECT_NE(error_of("name = \"x\"\nmoed = \"tools\"").find("s.toml:2: unknown key 'moed'"), std::string::npos) << error_of("name = \"x\"\nmoed = \"tools\"");
  EXPECT_NE(error_of("name = \"x\"\nmode = \"fast\"").find("instant, thinking or tools"), std::string::npos);
  EXPECT_NE(error_of("name = \"x\"\nname = \"y\""), "");
  EXPECT_NE(error_of("name = 7"), "");
  EXPECT_NE(error_of("name = \"x\"\nfloor = 2"), "");
  EXPECT_NE(error_of("name = \"x\"\n[source]\nkind = \"web\""), "");
  EXPECT_NE(error_of("name = \"x\"\n[source]\nkind = \"items\"\nfile = \"../../etc/passwd\""), "");
  EXPECT_NE(error_of("name = \"x\"\n[source]\nkind = \"synth\"\ncount = 5"), "");
  EXPECT_NE(error_of("name = \"x\"\n[source]\nkind = \"synth\"\nkinds = { \"a\" = -1 }\ncount = 5"), "");
  EXPECT_NE(error_of("name = \"x\"\n[source]\nkind = \"external\"\nreader = \"none\"\npath = \"x\"").find("one of gsm8k"), std::string::npos);
  EXPECT_NE(error_of("name = \"x\"\n[source]\nkind = \"external\"\nreader = \"gsm8k\"\npath = \"/etc/passwd\""), "");
  EXPECT_NE(error_of("name = \"x\"\n[source]\nkind = \"external\"\nreader = \"gsm8k\"\npath = \"x\"\ncount = 5"), "");
  EXPECT_NE(error_of(std::string("name = \"x\"\n\xFF\xFE")), "");
  EXPECT_NE(error_of("name = \"x\"\n[[[[["), "");
  EXPECT_NE(error_of("name = \"x\"\nthe\xC3\x97").find("s.toml:2: a character beyond ASCII"), std::string::npos);  // found by fuzzing: undefined in toml++
  EXPECT_EQ(error_of("name = \"\xC3\x97\" # \xC3\x97\ntitle = \"\"\"\"\xC3\x97\"\"\"\nsystem = '\xC3\x97'\n"), "");
}

TEST(Suite, ReadsItemsOfAFolder) {
  const TestFolder folder;
  folder.write("own/suite.toml", "name = \"own\"\n");
  folder.write("own/items.jsonl",
               R"({"id": "a", "prompt": "2 + 2?", "answer": 4, "grader": {"kind": "number", "tolerance": 0.5, "unit": "pens"}, "slices": {"topic": "sums"}, "metadata": {"by": "us"}})"
               "\n\n"
               R"({"prompt": "Which is red?", "choices": ["sky", "blood"], "answer": "blood"})"
               "\n"
               R"({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}, {"role": "user", "content": "poem?"}], "grader": "refusal"})"
               "\n");
  folder.write("other.toml", "name = \"other\"\n");
  const auto found = find_suites(folder.path());
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 2u);
  EXPECT_TRUE(found->at(1).ends_with("own/suite.toml"));
  EXPECT_EQ(find_suites(folder.path() + "/own")->size(), 1u);
  EXPECT_EQ(find_suites(folder.path() + "/nothing").error().code, ErrorCode::kNotFound);
  auto suite = read_suite(folder.path() + "/own/suite.toml");
  ASSERT_TRUE(suite.ok());
  ASSERT_TRUE(load_items(&*suite, {}, -1).ok());
  ASSERT_EQ(suite->items.size(), 3u);
  EXPECT_EQ(suite->items[0].id, "a");
  EXPECT_EQ(suite->items[0].grading.unit, "pens");
  EXPECT_EQ(suite->items[1].id, "3");
  EXPECT_EQ(suite->items[1].grading.answers.front(), "B");
  EXPECT_EQ(suite->items[1].messages.back().text, "Which is red?\nA. sky\nB. blood\nAnswer with the letter.");
  EXPECT_EQ(suite->items[2].messages.size(), 3u);
  const std::string digest = suite->digest;
  ASSERT_TRUE(load_items(&*suite, {}, 2).ok());
  EXPECT_EQ(suite->items.size(), 2u);
  EXPECT_NE(suite->digest, digest);
}

TEST(Suite, HostileItemsAreErrorsWithTheirPlace) {
  const char* const kLines[] = {
      "", "7", "[]", "{", "{}", R"({"prompt": 7})", R"({"prompt": "x"})", R"({"prompt": "x", "answer": {}})", R"({"prompt": "x", "answer": "y", "grader": "magic"})",
      R"({"prompt": "x", "answer": "y", "grader": "number"})", R"({"prompt": "x", "answer": "y", "color": 1})", R"({"prompt": "x", "answer": "Z", "choices": ["a", "b"]})",
      R"x({"prompt": "x", "answer": "(", "grader": "regex"})x", R"({"prompt": "x", "answer": "1", "grader": {"kind": "number", "tolerance": -1}})",
      R"({"prompt": "x", "answer": "1", "grader": {"kind": "number", "tolerence": 1}})", R"({"prompt": "x", "answer": "1", "images": ["../../etc/passwd"]})",
      R"({"prompt": "x", "answer": "1", "images": ["a.png"]})", R"({"messages": [{"role": "user"}], "answer": "1"})",
      R"({"messages": [{"role": "assistant", "content": "x"}], "answer": "1"})", R"({"prompt": "x", "answer": "y", "slices": {"a": 1}})"};
  for (const char* line : kLines) {
    const auto item = parse_item(line, "f.jsonl:3", ".", {});
    ASSERT_FALSE(item.ok()) << line;
    EXPECT_NE(item.error().message.find("f.jsonl:3"), std::string::npos) << item.error().message;
  }
  std::string deep = "{\"prompt\": ";
  deep.append(100'000, '[');
  EXPECT_FALSE(parse_item(deep, "f:1", ".", {}).ok());
}

TEST(Suite, TwoItemsOfOneIdAreRefused) {
  const TestFolder folder;
  folder.write("suite.toml", "name = \"own\"\n");
  folder.write("items.jsonl", "{\"id\": \"a\", \"prompt\": \"x\", \"answer\": \"y\"}\n{\"id\": \"a\", \"prompt\": \"z\", \"answer\": \"y\"}\n");
  auto suite = read_suite(folder.path() + "/suite.toml");
  EXPECT_NE(load_items(&*suite, {}, -1).error().message.find("id a"), std::string::npos);
}

// Fixtures of our own in the forms of the published files.
struct SetCase {
  const char* reader;
  const char* text;
  const char* question;
  const char* answer;
};
TEST(Readers, TinyFixtures) {
  const SetCase cases[] = {
      {"gsm8k", R"({"question": "Tom has 2 hats.  How many ?", "answer": "He has <<2=2>>2.\n#### 1,002"})", "Tom has 2 hats. How many?", "1,002"},
      {"math", R"({"context": "What is $1/2$?", "answer": "\\frac{1}{2}", "chain_of_thought": "x", "category": "algebra"})", "What is $1/2$?", "\\frac{1}{2}"},
      {"svamp", R"x({"Answer": 3.0, "Question": "How many are left?", "Equation": "( 5.0 - 2.0 )", "Body": "There were 5 cats. If 2 cats went", "Type": "Subtraction"})x",
       "There were 5 cats. If 2 cats went, how many are left?", "3"},
      {"svamp", R"({"Answer": 3.5, "Question": "How many are left?", "Equation": "x", "Body": "There were 5.5 cats , and 2 went", "Type": "Subtraction"})",
       "There were 5.5 cats, and 2 went. How many are left?", "3.5"},
      {"mawps", R"({"input": "There are 22 trees . How many ?", "target": 22.0, "type": "singleeq"})", "There are 22 trees. How many?", "22"},
      {"asdiv", R"({"body": "It is 2 p.m. now.", "question": "When is lunch?", "solution_type": "Time", "answer": "14:30", "formula": "x"})", "It is 2 p.m. now. When is lunch?", "14:30"},
      {"choices", R"({"query": "Question: Which is wet?", "choices": ["fire", "rain"], "gold": 1})", "Which is wet?\nA. fire\nB. rain\nAnswer with the letter.", "B"},
      {"mmlu_jsonl", R"({"question": "Which?", "type": "physics", "choices": ["a", "b", "c", "d"], "answer": 2})", "Which?\nA. a\nB. b\nC. c\nD. d\nAnswer with the letter.", "C"},
      {"mmlu_csv", "\"Which, \"\"x\"\"\nor y?\",one,\"two, three\",four,five,B\r\n", "Which, \"x\"\nor y?\nA. one\nB. two, three\nC. four\nD. five\nAnswer with the letter.", "B"},
      {"medqa", R"({"question": "Which?", "answer": "x", "options": {"A": "x", "B": "y"}, "answer_idx": "A", "meta_info": "step1"})", "Which?\nA. x\nB. y\nAnswer with the letter.", "A"},
      {"medmcqa", R"({"question": "Which?", "cop": 4, "opa": "a", "opb": "b", "opc": "c", "opd": "d", "subject_name": "Anatomy"})", "Which?\nA. a\nB. b\nC. c\nD. d\nAnswer with the letter.", "D"},
      {"pubmedqa", R"({"17": {"QUESTION": "Does it?", "CONTEXTS": ["It may."], "final_decision": "maybe"}})", "It may.\nDoes it?\nA. yes\nB. no\nC. maybe\nAnswer with the letter.", "C"},
      {"aqua", R"({"question": "Which?", "options": ["A)36", "B)15"], "rationale": "x", "correct": "B"})", "Which?\nA. 36\nB. 15\nAnswer with the letter.", "B"},
      {"bbh", R"({"canary": "x", "examples": [{"input": "not True is", "target": "False"}]})", "not True is", "False"}};
  for (const SetCase& one : cases) {
    const TestFolder folder;
    folder.write("set.txt", one.text);
    SuiteSource source;
    source.reader = one.reader;
    source.path = "set.txt";
    const auto items = read_external(source, folder.path());
    ASSERT_TRUE(items.ok()) << one.reader << ": " << items.error().message;
    ASSERT_EQ(items->size(), 1u) << one.reader;
    EXPECT_EQ(items->front().messages.back().text, one.question) << one.reader;
    EXPECT_EQ(items->front().grading.answers.front(), one.answer) << one.reader;
    EXPECT_TRUE(check_grading(items->front().grading, "x").ok()) << one.reader;
    // Cut anywhere: an error that names the file, or fewer items; never more.
    const std::string text = one.text;
    for (size_t n = 1; n < text.size(); n += 29) {
      folder.write("set.txt", text.substr(0, n));
      const auto cut = read_external(source, folder.path());
      if (cut.ok()) continue;
      EXPECT_NE(cut.error().message.find("set.txt"), std::string::npos) << cut.error().message;
    }
    source.path = "absent";
    EXPECT_FALSE(read_external(source, folder.path()).ok());
  }
}

std::string gzip(const std::string& text) {
  std::string out(text.size() + 1000, '\0');
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(Readers, Mnist) {
  const TestFolder folder;
  std::string images("\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x03", 16);
  images += std::string("\x00\xFF\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A", 12);
  const std::string labels("\0\0\x08\x01\0\0\0\x02\x07\x03", 10);
  folder.write("m/images-idx3-ubyte.gz", gzip(images));
  folder.write("m/labels-idx1-ubyte.gz", gzip(labels));
  SuiteSource source;
  source.reader = "mnist";
  source.path = "m";
  const auto items = read_external(source, folder.path());
  ASSERT_TRUE(items.ok()) << items.error().message;
  ASSERT_EQ(items->size(), 2u);
  EXPECT_EQ(items->at(0).grading.answers.front(), "7");
  EXPECT_EQ(items->at(0).images.front().width, 3);
  EXPECT_EQ(items->at(0).images.front().height, 2);
  EXPECT_EQ(items->at(0).images.front().pixels[0], 255);
  EXPECT_EQ(items->at(0).images.front().pixels[3], 0);
  folder.write("m/images-idx3-ubyte.gz", gzip(images.substr(0, 20)));
  EXPECT_EQ(read_external(source, folder.path()).error().code, ErrorCode::kDataLoss);
  folder.write("m/images-idx3-ubyte.gz", gzip(images).substr(0, 20));
  EXPECT_EQ(read_external(source, folder.path()).error().code, ErrorCode::kDataLoss);
}

TEST(Readers, Shapes) {
  const TestFolder folder;
  std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1, 2, 3), }";
  header.resize(70, ' ');
  std::string array = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header + std::string("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0A\x0B\x0C", 12);
  folder.write("val.input.npy", array);
  folder.write("val.query_str.txt", "is a circle red\nis red above blue\n");
  folder.write("val.output", "true\nfalse\n");
  SuiteSource source;
  source.reader = "shapes";
  source.path = "val";
  const auto items = read_external(source, folder.path());
  ASSERT_TRUE(items.ok()) << items.error().message;
  ASSERT_EQ(items->size(), 2u);
  EXPECT_EQ(items->at(0).messages.front().text, "Is a circle red?");
  EXPECT_EQ(items->at(0).grading.answers.front(), "yes");
  EXPECT_EQ(items->at(1).grading.answers.front(), "no");
  EXPECT_EQ(items->at(0).images.front().pixels, (std::vector<uint8_t>{3, 2, 1, 6, 5, 4}));
  EXPECT_TRUE(grade(items->at(0).grading, "Answer: yes").right);
  array.pop_back();
  folder.write("val.input.npy", array);
  EXPECT_EQ(read_external(source, folder.path()).error().code, ErrorCode::kDataLoss);
  folder.write("val.input.npy", array.substr(0, 9));
  EXPECT_EQ(read_external(source, folder.path()).error().code, ErrorCode::kDataLoss);
}

}  // namespace
}  // namespace firesteel
