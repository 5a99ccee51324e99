// The command line as a user meets it: exit codes, help, messages, and the shapes that other tools rely on.
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>

#include "base/json.h"
#include "base/mapped_file.h"
#include "cli_runner.h"
#include "tiny_model.h"

namespace firesteel {
namespace {

constexpr const char* kTemplate =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

// One model for all tests of this program.
const std::string& tiny_model() {
  static const TinyModelFile file([] {
    TinySpec spec = tiny_spec("llama");
    spec.sees = true;
    return spec;
  }());
  return file.path();
}

std::string shared(const std::string& path) {
  const char* const folder = std::getenv("FS_SHARED");
  const std::string full = std::string(folder != nullptr ? folder : FS_SHARED_DEFAULT) + "/" + path;
  struct stat info {};
  return stat(full.c_str(), &info) == 0 ? full : std::string();
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::vector<std::vector<std::string>>& all_commands() {
  static const std::vector<std::vector<std::string>> commands = {
      {"ask"},    {"chat"},   {"tokenize"},          {"logits"},         {"perplexity"},         {"bench"},
      {"doctor"}, {"models"}, {"models", "inspect"}, {"models", "list"}, {"models", "verify"},   {"models", "convert"},
      {"models", "quantize"}, {"models", "average"}, {"eval", "run"}, {"eval", "items"}, {"eval", "show"}, {"eval", "compare"}};
  return commands;
}

TEST(Cli, EveryCommandHasHelpWithExamples) {
  for (std::vector<std::string> words : all_commands()) {
    words.push_back("--help");
    const CliResult result = run_cli(words);
    EXPECT_EQ(result.exit_code, 0) << words[0];
    EXPECT_TRUE(contains(result.out, "Examples:\n") && contains(result.out, "firesteel " + words[0])) << words[0] << "\n" << result.out;
    EXPECT_EQ(result.err, "");
  }
}

// A command that is named is added alone: its name in the table has to be the one that it gives itself.
TEST(Cli, EveryCommandOfTheHelpIsFoundByItsName) {
  const CliResult all = run_cli({"--help"});
  size_t at = all.out.find("Subcommands:\n");
  ASSERT_NE(at, std::string::npos);
  int n_commands = 0;
  for (at += 13; all.out.compare(at, 2, "  ") == 0; at = all.out.find('\n', at) + 1) {
    const std::string name = all.out.substr(at + 2, all.out.find(' ', at + 2) - at - 2);
    const CliResult one = run_cli({name, "--help"});
    EXPECT_EQ(one.exit_code, 0) << name;
    EXPECT_TRUE(contains(one.out, "Usage: firesteel " + name)) << one.out;
    ++n_commands;
  }
  EXPECT_GE(n_commands, 20);
}

TEST(Cli, VersionNamesCommit) {
  const CliResult result = run_cli({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.out.starts_with("firesteel 0.")) << result.out;
}

TEST(Cli, NoCommandIsUsageError) {
  const CliResult result = run_cli({});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_TRUE(contains(result.err, "ask"));
  EXPECT_EQ(result.out, "");
}

TEST(Cli, UnknownFlagNamesNearest) {
  const CliResult result = run_cli({"ask", "--modle", "x", "hello"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_TRUE(contains(result.err, "--modle")) << result.err;
  EXPECT_TRUE(contains(result.err, "did you mean --model?")) << result.err;
}

TEST(Cli, UnknownFlagOfEveryCommandIsRefused) {
  for (std::vector<std::string> words : all_commands()) {
    words.push_back("--no-such-flag");
    const CliResult result = run_cli(words);
    EXPECT_EQ(result.exit_code, 2) << words[0];
    EXPECT_FALSE(result.err.empty());
    EXPECT_EQ(result.out, "") << words[0];
  }
}

TEST(Cli, UnknownCommandNamesNearest) {
  const CliResult result = run_cli({"tokenise"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_TRUE(contains(result.err, "did you mean 'tokenize'?")) << result.err;
}

TEST(Cli, ValueOutOfRangeIsUsageError) {
  EXPECT_EQ(run_cli({"ask", "--temperature", "-1", "--model", tiny_model(), "x"}).exit_code, 2);
  EXPECT_EQ(run_cli({"ask", "--threads", "none", "--model", tiny_model(), "x"}).exit_code, 2);
  const CliResult kind = run_cli({"ask", "--kv", "bf61", "--model", tiny_model(), "x"});
  EXPECT_EQ(kind.exit_code, 2);
  EXPECT_TRUE(contains(kind.err, "did you mean bf16?")) << kind.err;
}

TEST(Cli, MissingModelFileSaysWhereItLooked) {
  const CliResult result = run_cli({"ask", "--model", "no/such.gguf", "hello"}, {}, {"XDG_DATA_HOME=/nowhere"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "no/such.gguf")) << result.err;
  EXPECT_TRUE(contains(result.err, "firesteel/models")) << result.err;
  EXPECT_EQ(result.out, "");
}

TEST(Cli, FileThatIsNoModelIsRefused) {
  const TemporaryFile junk("junk.gguf", "this is not a model");
  const CliResult result = run_cli({"models", "inspect", junk.path()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "junk.gguf")) << result.err;
}

TEST(Cli, ErrorsAreJsonWhenAskedFor) {
  const CliResult result = run_cli({"ask", "--json", "--model", "no/such.gguf", "hello"});
  EXPECT_EQ(result.exit_code, 1);
  const Result<Json> json = Json::parse(result.out);
  ASSERT_TRUE(json.ok()) << result.out;
  ASSERT_NE(json->find("error"), nullptr);
  EXPECT_EQ(json->find("error")->find("code")->as_string(), "not found");
}

TEST(Cli, ModelComesFromEnvironment) {
  const CliResult result = run_cli({"tokenize"}, "abc", {"FIRESTEEL_MODEL=" + tiny_model()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
}

TEST(Cli, ModelComesFromStoreAndHubCache) {
  const Result<std::string> bytes = read_file(tiny_model(), 1u << 30);
  ASSERT_TRUE(bytes.ok());
  const TemporaryFile anchor("anchor");
  const std::string store = anchor.folder() + "/data/firesteel/models";
  const std::string snapshot = anchor.folder() + "/hf/hub/models--org--tiny/snapshots/abc";
  ASSERT_EQ(std::system(("mkdir -p '" + store + "' '" + snapshot + "'").c_str()), 0);
  ASSERT_TRUE(write_file_atomic(store + "/small.gguf", *bytes).ok());
  ASSERT_TRUE(write_file_atomic(snapshot + "/tiny-Q8_0.gguf", *bytes).ok());
  const std::vector<std::string> environment = {"XDG_DATA_HOME=" + anchor.folder() + "/data", "HF_HOME=" + anchor.folder() + "/hf"};
  for (const std::string name : {"small", "small.gguf", "org/tiny", "org/tiny:Q8_0"}) {
    EXPECT_EQ(run_cli({"tokenize", "--model", name}, "abc", environment).exit_code, 0) << name;
  }
  const CliResult near = run_cli({"tokenize", "--model", "smal"}, "abc", environment);
  EXPECT_EQ(near.exit_code, 1);
  EXPECT_TRUE(contains(near.err, "did you mean small?")) << near.err;
  const CliResult list = run_cli({"models", "list"}, {}, environment);
  EXPECT_TRUE(contains(list.out, "small.gguf") && contains(list.out, "org/tiny")) << list.out;
}

TEST(Cli, WithoutAModelTheOneBuiltInIsMeant) {
  const CliResult list = run_cli({"models", "list"});
  ASSERT_EQ(list.exit_code, 0) << list.err;
  const CliResult ids = run_cli({"tokenize"}, "abc");
  const CliResult inspected = run_cli({"models", "inspect", "kindling"});
  if (contains(list.out, "built in")) {
    EXPECT_EQ(ids.exit_code, 0) << ids.err;
    EXPECT_EQ(run_cli({"tokenize", "--model", "kindling"}, "abc").out, ids.out);
    EXPECT_EQ(inspected.exit_code, 0) << inspected.err;
    const CliResult answer = run_cli({"ask", "--mode", "instant", "--max-tokens", "4", "hello"});
    EXPECT_EQ(answer.exit_code, 0) << answer.err;
  } else {
    EXPECT_EQ(ids.exit_code, 1);
    EXPECT_TRUE(contains(ids.err, "built without models/kindling.gguf: use --model")) << ids.err;
    EXPECT_TRUE(contains(inspected.err, "no model 'kindling'")) << inspected.err;
    EXPECT_EQ(run_cli({"ask", "hello"}).exit_code, 1);
  }
}

TEST(Cli, TokenizeRoundTrip) {
  const std::string text = "Hello, world! \xC3\xA9\xE2\x82\xAC\n  two  spaces\t";
  const CliResult ids = run_cli({"tokenize", "--model", tiny_model()}, text);
  ASSERT_EQ(ids.exit_code, 0) << ids.err;
  EXPECT_TRUE(ids.out.ends_with("\n"));
  EXPECT_EQ(ids.out.find_first_not_of("0123456789 \n"), std::string::npos) << ids.out;
  const CliResult back = run_cli({"tokenize", "--model", tiny_model(), "--decode"}, ids.out);
  ASSERT_EQ(back.exit_code, 0) << back.err;
  EXPECT_EQ(back.out, text);
  const CliResult none = run_cli({"tokenize", "--model", tiny_model()}, "");
  EXPECT_EQ(none.exit_code, 0);
  EXPECT_EQ(none.out, "\n");
}

TEST(Cli, DecodeRefusesIdsOutsideTheVocabulary) {
  for (const char* const input : {"1 2 99999999", "-1", "1 two", "99999999999999999999"}) {
    const CliResult result = run_cli({"tokenize", "--model", tiny_model(), "--decode"}, input);
    EXPECT_EQ(result.exit_code, 1) << input;
    EXPECT_TRUE(contains(result.err, "standard input: token ")) << result.err;
  }
}

TEST(Cli, LogitsHaveTheirShape) {
  const TemporaryFile tokens("tokens.txt", "1 2 3 4 5\n6 7");
  const std::string out = tokens.folder() + "/logits.f32";
  const CliResult result = run_cli({"logits", "--model", tiny_model(), "--tokens", tokens.path(), "--out", out});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Result<std::string> bytes = read_file(out, 1u << 30);
  ASSERT_TRUE(bytes.ok());
  ASSERT_EQ(bytes->size(), 7u * static_cast<size_t>(tiny_spec("llama").n_vocab) * sizeof(float));
  for (size_t i = 0; i < bytes->size(); i += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, bytes->data() + i, sizeof value);
    ASSERT_TRUE(std::isfinite(value));
  }
}

TEST(Cli, LogitsRefuseTooManyTokensWithBothCounts) {
  const TemporaryFile tokens("tokens.txt", "1 2 3 4 5");
  const std::string out = tokens.folder() + "/logits.f32";
  const CliResult result = run_cli({"logits", "--model", tiny_model(), "--ctx", "4", "--tokens", tokens.path(), "--out", out});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "5 tokens") && contains(result.err, "context of 4")) << result.err;
  EXPECT_FALSE(read_file(out, 1).ok()) << "no partial result";
}

TEST(Cli, PerplexityScoresSecondHalves) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "word ";
  const TemporaryFile file("text.txt", text);
  const CliResult result = run_cli({"perplexity", "--model", tiny_model(), "--file", file.path(), "--ctx", "32", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Result<Json> json = Json::parse(result.out);
  ASSERT_TRUE(json.ok()) << result.out;
  const int64_t n_chunks = json->find("n_chunks")->as_int();
  EXPECT_GE(n_chunks, 10);
  EXPECT_EQ(json->find("n_scored")->as_int(), n_chunks * 15);  // positions 16..30 predict 17..31
  const double perplexity = json->find("perplexity")->as_double();
  EXPECT_GT(perplexity, 1);
  EXPECT_NEAR(std::log(perplexity), json->find("nll")->as_double(), 1e-9);
}

TEST(Cli, InspectTellsTheShape) {
  const CliResult result = run_cli({"models", "inspect", tiny_model(), "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Result<Json> json = Json::parse(result.out);
  ASSERT_TRUE(json.ok()) << result.out;
  EXPECT_EQ(json->find("model")->find("architecture")->as_string(), "llama");
  EXPECT_EQ(json->find("model")->find("n_layers")->as_int(), tiny_spec("llama").n_layers);
  EXPECT_EQ(run_cli({"models", "inspect", tiny_model(), "--tensors", "--metadata"}).exit_code, 0);
}

TEST(Cli, DoctorReportsKernelsAndMemory) {
  const CliResult result = run_cli({"doctor", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Result<Json> json = Json::parse(result.out);
  ASSERT_TRUE(json.ok()) << result.out;
  EXPECT_FALSE(json->find("cpu")->find("kernels chosen")->as_string().empty());
  EXPECT_GT(json->find("memory")->find("total")->as_int(), 0);
}

TEST(Cli, UnavailableKernelsAreAStartUpError) {
  const CliResult result = run_cli({"ask", "--raw", "--model", tiny_model(), "x"}, {}, {"FS_ISA=nonsense"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "nonsense")) << result.err;
}

// ---- Answers --------------------------------------------------------------------------------------------------------

TEST(Cli, AskIsRepeatable) {
  const std::vector<std::string> words = {"ask", "--model", tiny_model(), "--raw", "--max-tokens", "20", "--seed", "7", "--json", "Hello"};
  const CliResult first = run_cli(words), second = run_cli(words);
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const Result<Json> a = Json::parse(first.out), b = Json::parse(second.out);
  ASSERT_TRUE(a.ok() && b.ok()) << first.out;
  EXPECT_EQ(a->find("text")->as_string(), b->find("text")->as_string());
  EXPECT_EQ(a->find("seed")->as_int(), 7);
  EXPECT_EQ(a->find("usage")->find("generated_tokens")->as_int(), 20);
  EXPECT_EQ(a->find("finish_reason")->as_string(), "length");
}

TEST(Cli, AskStreamsWhatJsonHolds) {
  const std::vector<std::string> words = {"ask", "--model", tiny_model(), "--raw", "--max-tokens", "20", "--temperature", "0", "Hello"};
  std::vector<std::string> as_json = words;
  as_json.insert(as_json.begin() + 1, "--json");
  const CliResult text = run_cli(words), json_text = run_cli(as_json);
  ASSERT_EQ(text.exit_code, 0) << text.err;
  const Result<Json> json = Json::parse(json_text.out);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(text.out, json->find("text")->as_string() + "\n");
  EXPECT_EQ(text.err, "");
}

TEST(Cli, AskReadsThePromptFromStdin) {
  const std::vector<std::string> words = {"ask", "--model", tiny_model(), "--raw", "--max-tokens", "8", "--temperature", "0"};
  std::vector<std::string> as_argument = words, as_stdin = words;
  as_argument.push_back("Hello there");
  as_stdin.push_back("-");
  EXPECT_EQ(run_cli(as_argument).out, run_cli(as_stdin, "Hello there").out);
}

TEST(Cli, AskStatisticsGoToStderr) {
  const CliResult result = run_cli({"ask", "--model", tiny_model(), "--raw", "--max-tokens", "8", "--stats", "Hello"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* const part : {"prompt tokens", "first token", "tok/s", "peak memory"}) EXPECT_TRUE(contains(result.err, part)) << result.err;
}

TEST(Cli, AskUsesTheChatTemplate) {
  const TemporaryFile chat_template("t.jinja", kTemplate);
  const std::vector<std::string> common = {"ask", "--model", tiny_model(), "--max-tokens", "12", "--temperature", "0"};
  std::vector<std::string> chat = common, raw = common;
  chat.insert(chat.end(), {"--chat-template", chat_template.path(), "--system", "S", "Hello"});
  raw.insert(raw.end(), {"--raw", "[system]S\n[user]Hello\n[assistant]"});
  const CliResult a = run_cli(chat), b = run_cli(raw);
  ASSERT_EQ(a.exit_code, 0) << a.err;
  EXPECT_EQ(a.out, b.out);
}

TEST(Cli, TextInBracketsIsNotTakenApart) {  // the parser's notation for lists
  const std::vector<std::string> words = {"ask", "--model", tiny_model(), "--raw", "--max-tokens", "4", "--temperature", "0", "--json"};
  std::vector<std::string> as_argument = words, as_stdin = words;
  as_argument.insert(as_argument.end(), {"--stop", "[x,y]", "[a, b]"});
  as_stdin.insert(as_stdin.end(), {"--stop", "[x,y]", "-"});
  const Result<Json> a = Json::parse(run_cli(as_argument).out), b = Json::parse(run_cli(as_stdin, "[a, b]").out);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->find("usage")->find("prompt_tokens")->as_int(), b->find("usage")->find("prompt_tokens")->as_int());
}

// The tiny model's weights are random: the form comes from the flags alone.
TEST(Cli, AskKeepsToASchemaAPatternOrAGrammar) {
  const TemporaryFile schema("schema.json", R"({"type":"object","properties":{"n":{"type":"integer","minimum":10,"maximum":99}},"required":["n"]})");
  const TemporaryFile grammar("g.txt", "root ::= word (\" \" word){2}\nword ::= [a-z]{1,4}\n");
  const auto ask = [](const char* flag, const std::string& value) {
    const CliResult result = run_cli({"ask", "--model", tiny_model(), "--raw", "--seed", "3", flag, value, "Hello"});
    EXPECT_EQ(result.exit_code, 0) << flag << ": " << result.err;
    return result.out;
  };
  for (const std::string& source : {schema.path(), std::string(R"({"type":"object","properties":{"n":{"type":"integer","minimum":10,"maximum":99}},"required":["n"]})")}) {
    const std::string text = ask("--json-schema", source);
    const Result<Json> json = Json::parse(text);
    ASSERT_TRUE(json.ok() && json->find("n") != nullptr) << text;
    EXPECT_TRUE(json->find("n")->as_int() >= 10 && json->find("n")->as_int() <= 99) << text;
  }
  const std::string word = ask("--regex", "yes|no");
  EXPECT_TRUE(word == "yes\n" || word == "no\n") << word;
  const std::string words = ask("--grammar", grammar.path());
  EXPECT_EQ(std::count(words.begin(), words.end(), ' '), 2) << words;

  CliResult result = run_cli({"ask", "--model", tiny_model(), "--raw", "--json-schema", R"({"type":"string","not":{}})", "Hello"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "#/not")) << result.err;
  result = run_cli({"ask", "--model", tiny_model(), "--raw", "--grammar", "no/such.txt", "Hello"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "--grammar") && contains(result.err, "no/such.txt")) << result.err;
  EXPECT_EQ(run_cli({"ask", "--model", tiny_model(), "--raw", "--regex", "a", "--grammar", grammar.path(), "Hello"}).exit_code, 2);
  EXPECT_EQ(run_cli({"ask", "--model", tiny_model(), "--raw", "--regex", "", "Hello"}).exit_code, 2);
}

// A trained model whose pieces cross the borders of JSON ('"\n', ',_"'). It has no brackets and braces at all.
TEST(Cli, AStoryTellerKeepsToTheForm) {
  const std::string model = shared("data/models/tinystories-656k");
  if (model.empty()) GTEST_SKIP() << "no model: data/models/tinystories-656k is not in the shared folder (FS_SHARED)";
  const auto ask = [&](int seed, const char* flag, const char* source) {
    return run_cli({"ask", "--model", model, "--raw", "--seed", std::to_string(seed), flag, source, "--json", "Once upon a time there was a little girl."});
  };
  for (int seed = 0; seed < 6; ++seed) {
    CliResult result = ask(seed, "--json-schema", R"({"anyOf":[{"type":"string","minLength":20,"maxLength":60},{"type":"integer","minimum":7,"maximum":12}]})");
    ASSERT_EQ(result.exit_code, 0) << result.err;
    Result<Json> out = Json::parse(result.out);
    ASSERT_TRUE(out.ok());
    EXPECT_EQ(out->find("finish_reason")->as_string(), "stop") << result.out;
    const Result<Json> answer = Json::parse(out->find("text")->as_string());
    ASSERT_TRUE(answer.ok()) << result.out;
    if (answer->is_int()) {
      EXPECT_TRUE(answer->as_int() >= 7 && answer->as_int() <= 12) << result.out;
    } else {
      const std::string& text = answer->as_string();
      const auto n = std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
      EXPECT_TRUE(n >= 20 && n <= 60) << result.out;
    }
    result = ask(seed, "--regex", "Her name was [A-Z][a-z]{2,8}\\. She had (one|two|three) (cat|dog)s?\\.");
    out = Json::parse(result.out);
    ASSERT_TRUE(out.ok()) << result.err;
    const std::string& text = out->find("text")->as_string();
    EXPECT_TRUE(text.starts_with("Her name was ") && contains(text, ". She had ") && text.ends_with(".")) << text;
  }
  const CliResult result = ask(0, "--json-schema", R"({"type":"object"})");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "vocabulary")) << result.err;
}

TEST(Cli, AskRefusesAPromptThatIsTooLongWithBothCounts) {
  const CliResult result = run_cli({"ask", "--model", tiny_model(), "--raw", "--ctx", "64", std::string(500, 'x')});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "500") || contains(result.err, "501")) << result.err;
  EXPECT_TRUE(contains(result.err, "64")) << result.err;
  EXPECT_EQ(result.out, "");
}

constexpr const char* kPictureTemplate =
    "{% for m in messages %}[{{ m.role }}]{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}"
    "{% if p.type == 'image' %}<|image_pad|>{% else %}{{ p.text }}{% endif %}{% endfor %}{% endif %}{% endfor %}[assistant]";

TEST(Cli, AskAndChatShowPictures) {
  const TemporaryFile chat_template("t.jinja", kPictureTemplate);
  const TemporaryFile picture("a.ppm", "P6 10 10 255\n" + std::string(300, 'x'));
  const TemporaryFile other("b.ppm", "P6 20 10 255\n" + std::string(600, 'y'));
  const TinyModelFile vision(tiny_vision_gguf(64, 3));
  const auto ask = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {"ask", "--model", tiny_model(), "--chat-template", chat_template.path(), "--max-tokens", "3", "--temperature", "0", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return run_cli(words);
  };
  const auto n_prompt = [](const CliResult& result) {
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const auto out = Json::parse(result.out);
    return out.ok() && out->find("usage") != nullptr ? out->find("usage")->find("prompt_tokens")->as_int() : -1;
  };
  const int64_t without = n_prompt(ask({"--mmproj", vision.path(), "what"}));
  EXPECT_EQ(n_prompt(ask({"--mmproj", vision.path(), "--image", picture.path(), "what"})), without + 4);
  EXPECT_EQ(n_prompt(ask({"--mmproj", vision.path(), "--image", picture.path(), "--image", other.path(), "what"})), without + 12);

  const CliResult blind = ask({"--image", picture.path(), "what"});
  EXPECT_EQ(blind.exit_code, 1);
  EXPECT_TRUE(contains(blind.err, "cannot see pictures")) << blind.err;
  const CliResult broken = ask({"--mmproj", vision.path(), "--image", chat_template.path(), "what"});
  EXPECT_EQ(broken.exit_code, 1);
  EXPECT_TRUE(contains(broken.err, chat_template.path() + ": image: expected JPEG, PNG")) << broken.err;
  EXPECT_TRUE(contains(ask({"--mmproj", vision.path(), "--image", "no-such.png", "what"}).err, "no-such.png"));
  EXPECT_TRUE(contains(ask({"--mmproj", tiny_model(), "what"}).err, "kindling-vision"));
  EXPECT_EQ(ask({"--mmproj", vision.path(), "--raw", "--image", picture.path(), "what"}).exit_code, 2);

  const CliResult inspected = run_cli({"models", "inspect", tiny_model(), "--mmproj", vision.path()});
  EXPECT_TRUE(contains(inspected.out, "4 x 4 pixels, one for every 5 x 5, at most 16 a column and 24 a picture")) << inspected.out << inspected.err;

  const std::string saved = chat_template.folder() + "/chat.json";
  const std::vector<std::string> chat = {"chat", "--model", tiny_model(), "--mmproj", vision.path(), "--chat-template", chat_template.path(), "--max-tokens", "3"};
  const CliResult talked = run_cli(chat, "/image " + picture.path() + "\nwhat\nand now\n/save " + saved + "\n/image " + chat_template.path() + "\n");
  EXPECT_EQ(talked.exit_code, 1) << talked.err;  // the last picture is none
  EXPECT_TRUE(contains(talked.err, "(10 x 10)")) << talked.err;
  EXPECT_TRUE(contains(talked.err, "expected JPEG, PNG")) << talked.err;
  const CliResult loaded = run_cli(chat, "/load " + saved + "\nmore\n");
  EXPECT_EQ(loaded.exit_code, 0) << loaded.err;
  EXPECT_TRUE(contains(loaded.err, "Loaded 4 messages")) << loaded.err;
}

TEST(Cli, ChatKeepsHistoryAndSavesIt) {
  const TemporaryFile chat_template("t.jinja", kTemplate);
  const std::string saved = chat_template.folder() + "/chat.json";
  const std::vector<std::string> words = {"chat", "--model", tiny_model(), "--chat-template", chat_template.path(), "--max-tokens", "6",
                                          "--temperature", "0"};
  const CliResult result = run_cli(words, "first\nsecond\\\nline\n\"\"\"\nthird\n\nmessage\n\"\"\"\n/save " + saved + "\n/exit\nnever\n");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Result<std::string> text = read_file(saved, 1u << 20);
  ASSERT_TRUE(text.ok()) << result.err;
  const Result<Json> json = Json::parse(*text);
  ASSERT_TRUE(json.ok());
  const Json::Array& messages = json->find("messages")->as_array();
  ASSERT_EQ(messages.size(), 6u);
  EXPECT_EQ(messages[0].find("content")->as_string(), "first");
  EXPECT_EQ(messages[1].find("role")->as_string(), "assistant");
  EXPECT_EQ(messages[2].find("content")->as_string(), "second\nline");
  EXPECT_EQ(messages[4].find("content")->as_string(), "third\n\nmessage\n");

  const CliResult loaded = run_cli(words, "/load " + saved + "\n/clear\n/load " + saved + "\n/save " + saved + "2\n");
  ASSERT_EQ(loaded.exit_code, 0) << loaded.err;
  const Result<std::string> again = read_file(saved + "2", 1u << 20);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, *text);
}

TEST(Cli, ChatWithoutTemplateSaysWhatToDo) {
  const CliResult result = run_cli({"chat", "--model", tiny_model()}, "hello\n");
  if (result.exit_code == 0) GTEST_SKIP() << "the tiny model has a chat template";
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "--raw")) << result.err;
}

TEST(Cli, TinyStoriesTellsItsStory) {
  const std::string model = shared("data/models/tinystories-656k");
  if (model.empty()) GTEST_SKIP() << "optional test data is absent: set FS_SHARED";
  const CliResult result = run_cli({"ask", "--model", model, "--raw", "--temperature", "0", "--max-tokens", "120", "Once upon a time"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  // Coherent: a story's ordinary words, many of them different.
  EXPECT_TRUE(contains(result.out, " was ") || contains(result.out, " a little ")) << result.out;
  std::set<std::string> words;
  for (size_t at = 0; at < result.out.size();) {
    const size_t end = std::min(result.out.find(' ', at), result.out.size());
    words.insert(result.out.substr(at, end - at));
    at = end + 1;
  }
  EXPECT_GT(words.size(), 20u) << result.out;
}

// ---- The binary -----------------------------------------------------------------------------------------------------

TEST(Cli, BinaryNeedsOnlyLibc) {
  if (std::string(FS_SANITIZERS) != "") GTEST_SKIP() << "sanitizers bring libraries of their own";
  if (program_words().size() > 1) GTEST_SKIP() << "ldd tells nothing of another machine's programs";
  const TemporaryFile out("ldd");
  ASSERT_EQ(std::system(("ldd '" FS_BINARY "' > '" + out.path() + "' 2>&1").c_str()), 0) << out.read();
  const std::string text = out.read();
  const std::set<std::string> allowed = {"linux-vdso.so.1", "libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1"};
  size_t at = 0;
  while (at < text.size()) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    at = end + 1;
    const size_t start = line.find_first_not_of(" \t");
    if (start == std::string::npos) continue;
    const std::string name = line.substr(start, line.find(' ', start) - start);
    if (name.starts_with("/")) continue;  // the loader
    EXPECT_TRUE(allowed.contains(name)) << line;
  }
}

TEST(Cli, BinaryIsSmall) {
  struct stat info {};
  ASSERT_EQ(stat(FS_BINARY, &info), 0);
  if (std::string(FS_SANITIZERS) != "") GTEST_SKIP() << "sanitizers make it larger";
  // What is loaded, without the model that is built in; debug information does not count.
  Elf64_Ehdr header{};
  std::ifstream file(FS_BINARY, std::ios::binary);
  ASSERT_TRUE(file.read(reinterpret_cast<char*>(&header), sizeof header));
  uint64_t n_bytes = 0;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    file.seekg(static_cast<std::streamoff>(header.e_phoff) + i * header.e_phentsize);
    ASSERT_TRUE(file.read(reinterpret_cast<char*>(&segment), sizeof segment));
    if (segment.p_type == PT_LOAD) n_bytes += segment.p_filesz;
  }
  uint64_t n_model_bytes = 0;
  for (const char* name : {"/kindling.gguf", "/kindling.mmproj.gguf"}) {
    if (stat((std::string(FS_MODEL_FOLDER) + name).c_str(), &info) == 0) n_model_bytes += static_cast<uint64_t>(info.st_size);
  }
  EXPECT_LE(n_bytes, 30'000'000 + n_model_bytes);
  EXPECT_GT(n_bytes, n_model_bytes);
}

}  // namespace
}  // namespace firesteel
