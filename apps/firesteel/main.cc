// firesteel: one binary, one command each file. See docs/cli.md.
#include <algorithm>
#include <csignal>
#include <iterator>
#include <string>
#include <string_view>

#include "build_info.h"
#include "commands.h"
#include "mcp_command.h"

namespace firesteel {
namespace {

struct Entry {
  std::string_view name;
  void (*add)(Command root);
};
constexpr Entry kCommands[] = {
    {"ask", add_ask}, {"chat", add_chat}, {"replay", add_replay}, {"serve", add_serve},
    {"models", add_models}, {"train", add_train}, {"tune", add_tune}, {"eval", add_eval},
    {"data", add_data}, {"release", add_release}, {"loop", add_loop}, {"mcp", add_mcp},
    {"label", add_label}, {"tenant", add_tenant}, {"key", add_key}, {"usage", add_usage},
    {"audit", add_audit}, {"store", add_store}, {"tokenize", add_tokenize}, {"logits", add_logits},
    {"perplexity", add_perplexity}, {"bench", add_bench}, {"doctor", add_doctor},
};

}  // namespace
}  // namespace firesteel

int main(int argc, char** argv) {
  using namespace firesteel;
  const std::string version = std::string("firesteel ") + build_version() + " (" + build_commit() + ")";
  CommandLine line("Firesteel: a private assistant for one's own machines.", version.c_str());
  Command root = line.root();
  root.examples(
      "  firesteel ask \"A shop sells 3 pens for 2.40. What do 7 pens cost?\"\n"
      "  firesteel ask --model MODEL.gguf \"Why is the sky blue?\"\n"
      "  firesteel chat --model MODEL.gguf\n"
      "  firesteel serve --model MODEL.gguf\n"
      "  firesteel models inspect MODEL.gguf\n"
      "Exit codes: 0 ok, 1 failed, 2 usage.");
  // Each adds dozens of options: all of them take 1 ms of the 50 until an answer begins, so a command that is named is added alone.
  const auto named = argc < 2 ? std::end(kCommands) : std::find_if(std::begin(kCommands), std::end(kCommands), [&](const Entry& entry) { return argv[1] == entry.name; });
  for (const Entry& entry : kCommands) {
    if (named == std::end(kCommands) || named->name == entry.name) entry.add(root);
  }
  return line.run(argc, argv);
}
