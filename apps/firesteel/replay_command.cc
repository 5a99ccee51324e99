// firesteel replay: an answer of agents once more, from its ledger; the same bytes, or what differs.
#include <cstdio>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "agents/run_record.h"
#include "answering.h"
#include "base/mapped_file.h"
#include "commands.h"
#include "installation.h"
#include "lanes_view.h"
#include "load_model.h"
#include "store/run_ledgers.h"
#include "tools/calculator.h"
#include "tools/dates.h"
#include "tools/look.h"

namespace firesteel {
namespace {

constexpr uint64_t kLedgerBytesMax = 64u << 20;

struct ReplayOptions {
  ModelOptions model;
  std::string what, state_dir;
  ToolOptions tools;
  bool json = false;
};

// The ledger of a file that ask --json wrote, or of an answer that a server stored.
Result<Json> read_ledger(const ReplayOptions& options) {
  std::string text;
  if (const auto id = MessageId::parse(options.what)) {
    FS_TRY(const Installation installation, open_installation(state_dir_to_use(options.state_dir), 0));
    FS_TRY(text, RunLedgers(*installation.store).get_any(*id));
  } else {
    FS_TRY(text, read_file(options.what, kLedgerBytesMax));
  }
  FS_TRY(Json json, Json::parse(text));
  const Json* inner = json.find("ledger");
  return inner == nullptr ? json : *inner;
}

Result<bool> replay(const ReplayOptions& options) {
  FS_TRY(const Json ledger, read_ledger(options));
  FS_TRY(const LoadedModel loaded, load_model(options.model, /*want_template=*/true));
  Engine::Options engine_options;
  engine_options.max_sequences = kFanOutMax;
  FS_TRY(const std::unique_ptr<Engine> engine, create_engine(loaded, options.model, engine_options));
  const Json* digest = ledger.find("model_digest");
  if (digest != nullptr && digest->is_string() && digest->as_string() != engine->info().digest) {
    return Error{ErrorCode::kFailedPrecondition, loaded.path + ": another model than the one that answered (" + engine->info().digest + ", expected " + digest->as_string() + ")"};
  }
  LanesView view(options.json);
  AgentRun::Options run;
  FS_TRY(run.tools, tools_to_offer(options.tools, {}, loaded));
  const Json* const request = ledger.find("request");
  // A ledger that says what was offered takes what it needs; what others said then, and what acted, comes from the ledger itself.
  if (request != nullptr && request->find("declarations") != nullptr) run.tools = {make_calculator(), make_dates(), make_look()};
  run.on_event = [&view](const AgentEvent& event) { view.event(event.to_json()); };
  FS_TRY(const ReplayResult result, replay_run(engine.get(), ledger, std::move(run)));
  view.fold();
  if (options.json) {
    Json out;
    out.set("same", result.same);
    Json::Array differences;
    for (const std::string& key : result.differences) differences.emplace_back(key);
    out.set("differences", std::move(differences));
    out.set("text", result.answer.text);
    out.set("ledger", result.answer.ledger.to_json());
    std::printf("%s\n", out.dump().c_str());
    return result.same;
  }
  std::printf("%s\n", result.answer.text.c_str());
  std::fflush(stdout);
  if (result.same) {
    fmt::print(stderr, "the same bytes: the answer and {} lanes\n", result.answer.ledger.lanes.size());
  } else {
    std::string list;
    for (const std::string& key : result.differences) list += (list.empty() ? "" : ", ") + key;
    fmt::print(stderr, "different: {}\n", list);
  }
  return result.same;
}

}  // namespace

void add_replay(Command root) {
  const auto options = std::make_shared<ReplayOptions>();
  Command command = root.subcommand("replay", "Run an answer of subagents again from its ledger: the same bytes, branches included");
  command.text("answer", &options->what, "The id of an answer in a server's store (msg_...), or a file that ask --json wrote");
  command.required("answer");
  add_model_option(&command, &options->model);
  command.text("--chat-template", &options->model.chat_template_file, "Use this Jinja file instead of the model's own template, as the answer did");
  add_state_option(&command, &options->state_dir);
  add_tool_options(&command, &options->tools);
  add_engine_options(&command, &options->model);
  command.flag("--json", &options->json, "Print one JSON object: whether it is the same, what differs, the ledger");
  command.examples(
      "  firesteel ask --agents 8 --strategy vote --json \"What is 17 * 23?\" > answer.json\n"
      "  firesteel replay answer.json");
  command.run([options] {
    const Result<bool> same = replay(*options);
    if (!same.ok()) return fail(same.error(), options->json);
    return *same ? int{kExitOk} : int{kExitFailed};
  });
}

}  // namespace firesteel
