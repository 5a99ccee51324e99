// firesteel: one binary, one command each file. See docs/cli.md.
#include <csignal>
#include <string>

#include "build_info.h"
#include "commands.h"
#include "mcp_command.h"

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
  add_ask(root);
  add_chat(root);
  add_replay(root);
  add_serve(root);
  add_models(root);
  add_train(root);
  add_tune(root);
  add_eval(root);
  add_data(root);
  add_release(root);
  add_loop(root);
  add_mcp(root);
  add_label(root);
  add_tenant(root);
  add_key(root);
  add_usage(root);
  add_audit(root);
  add_store(root);
  add_tokenize(root);
  add_logits(root);
  add_perplexity(root);
  add_bench(root);
  add_doctor(root);
  return line.run(argc, argv);
}
