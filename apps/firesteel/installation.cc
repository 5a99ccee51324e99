#include "installation.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "store/postgres_store.h"
#include "store/sqlite_store.h"

namespace firesteel {
namespace {

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

}  // namespace

void add_state_option(Command* command, std::string* state_dir) {
  command->text("--state-dir", state_dir, "Folder for keys, usage and conversations (default: ~/.local/state/firesteel)", "FIRESTEEL_STATE_DIR");
}

std::string state_dir_to_use(const std::string& option) {
  if (!option.empty()) return option;
  // The service manager may list several folders; the first is ours.
  if (const std::string given = environment("STATE_DIRECTORY"); !given.empty()) return given.substr(0, given.find(':'));
  if (const std::string xdg = environment("XDG_STATE_HOME"); !xdg.empty()) return xdg + "/firesteel";
  return environment("HOME") + "/.local/state/firesteel";
}

Result<Installation> open_installation(const std::string& state_dir, int64_t kv_tokens) {
  Installation installation;
  installation.state_dir = state_dir;
  // The folders above; the last one is made by load_or_create_secret, for its owner alone.
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::path(state_dir).parent_path();
  if (!parent.empty()) std::filesystem::create_directories(parent, error);
  if (error) return Error{ErrorCode::kIo, parent.string() + ": cannot be made: " + error.message()};
  FS_TRY(const ServerSecret secret, load_or_create_secret(state_dir));
  Tenants::Options options;
  // Only in the environment: it may hold a password, which a command line would show to everybody on the machine.
  if (const std::string database = environment("FIRESTEEL_DATABASE"); !database.empty()) {
    FS_TRY(installation.store, open_postgres_store({.conninfo = database}));
    options.replicated = true;
  } else {
    FS_TRY(installation.store, open_sqlite_store({.path = state_dir + "/firesteel.db"}));
  }
  options.kv_tokens = kv_tokens;
  options.checkpoint_path = state_dir + "/audit-checkpoints.jsonl";
  FS_TRY(installation.tenants, Tenants::open(*installation.store, secret, options));
  FS_TRY(installation.bootstrap, installation.tenants->bootstrap(state_dir));
  return installation;
}

}  // namespace firesteel
