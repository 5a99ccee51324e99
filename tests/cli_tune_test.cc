// firesteel tune as a user meets it, on the model inside the program.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "cli_runner.h"

namespace firesteel {
namespace {

bool program_has_kindling() { return std::filesystem::exists(std::string(FS_MODEL_FOLDER) + "/kindling.gguf"); }

std::string rows() {
  std::string text;
  for (int i = 0; i < 16; ++i) {
    text += "{\"messages\": [{\"role\": \"user\", \"content\": \"Say the word, number " + std::to_string(i) + ".\"}, {\"role\": \"assistant\", \"content\": \"firestone\"}]}\n";
  }
  return text;
}

std::string answer_of(const std::vector<std::string>& model) {
  std::vector<std::string> command = {"ask", "--mode", "instant", "--temperature", "0", "--max-tokens", "12", "--json", "Say the word, number 99."};
  command.insert(command.end(), model.begin(), model.end());
  const CliResult asked = run_cli(command);
  EXPECT_EQ(asked.exit_code, 0) << asked.err;
  const auto json = Json::parse(asked.out);
  if (!json.ok() || json->find("text") == nullptr) return "";
  return json->find("text")->as_string();
}

TEST(CliTune, LearnsAWordMergesAndExchanges) {
  if (!program_has_kindling()) GTEST_SKIP() << "built without the model";
  const TemporaryFile data("rows.jsonl", rows());
  const std::string folder = data.folder(), out = folder + "/run", adapter = out + "/adapter.gguf";
  const std::vector<std::string> command = {"tune", "sft", "--data", data.path(), "--out", out, "--epochs", "12", "--batch", "8", "--rank", "4", "--lr", "5e-3", "--max-tokens", "256", "--lanes", "1", "--json"};
  const CliResult run = run_cli(command);
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto said = Json::parse(run.out);
  ASSERT_TRUE(said.ok()) << run.out;
  EXPECT_TRUE(said->find("finished")->as_bool());
  EXPECT_EQ(said->find("steps")->as_int(), 24);
  EXPECT_EQ(said->find("digest")->as_string().size(), 64u);
  EXPECT_NE(answer_of({}), "firestone");
  EXPECT_EQ(answer_of({"--adapter", adapter}), "firestone");

  const CliResult again = run_cli(command);  // a run is not begun on top of another
  EXPECT_EQ(again.exit_code, 1);
  EXPECT_NE((again.out + again.err).find("--resume"), std::string::npos);

  const std::string merged = folder + "/merged.gguf", peft = folder + "/peft", back = folder + "/back.gguf";
  ASSERT_EQ(run_cli({"tune", "merge", "--adapter", adapter, "--out", merged, "--type", "bf16"}).exit_code, 0);
  EXPECT_EQ(answer_of({"--model", merged}), "firestone");
  ASSERT_EQ(run_cli({"tune", "export", "--adapter", adapter, "--out", peft}).exit_code, 0);
  // A reader that shares no code with ours, where Python is there.
  if (std::system("python3 --version > /dev/null 2>&1") == 0) {
    EXPECT_EQ(std::system(("python3 " FS_TEST_DATA "/../peft_check.py " + adapter + " " + peft + " 64 > /dev/null").c_str()), 0);
  }
  const CliResult imported = run_cli({"tune", "import", "--peft", peft, "--out", back});
  ASSERT_EQ(imported.exit_code, 0) << imported.err;
  EXPECT_EQ(answer_of({"--adapter", back}), "firestone");
  const auto bytes_of = [](const std::string& path) { return read_file(path, 1u << 30).value(); };
  EXPECT_TRUE(bytes_of(back) == bytes_of(adapter));
}

TEST(CliTune, WhatIsWrongIsSaid) {
  if (!program_has_kindling()) GTEST_SKIP() << "built without the model";
  const TemporaryFile data("rows.jsonl", "{\"prompt\": \"x\"}\n");
  const auto refused = [&](std::vector<std::string> command, int code, const std::string& text) {
    const CliResult result = run_cli(command);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_NE(result.err.find(text), std::string::npos) << result.err;
  };
  const std::string out = data.folder() + "/run";
  refused({"tune", "sft", "--data", data.path(), "--out", out}, 1, "row 1: expected \"messages\"");
  refused({"tune", "dpo", "--data", data.path(), "--out", out}, 1, "expected \"chosen\"");
  refused({"tune", "sft", "--data", data.path(), "--out", out, "--targets", "q,z"}, 1, "\"z\"");
  refused({"tune", "sft", "--out", out}, 2, "--data");
  refused({"tune", "sft", "--data", data.path() + ".not", "--out", out}, 1, "rows.jsonl.not");
  refused({"ask", "--adapter", data.path(), "x"}, 1, "rows.jsonl");
  refused({"serve", "--adapter", "no-name", "--listen", "127.0.0.1:0", "--state-dir", data.folder() + "/state"}, 2, "NAME=FILE");
  EXPECT_FALSE(std::filesystem::exists(out + "/adapter.gguf"));
}

}  // namespace
}  // namespace firesteel
