// Where one installation keeps what must survive: keys, usage, audit, conversations. Shared by serve and the commands beside it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "command_line.h"
#include "store/store.h"
#include "tenants/tenants.h"

namespace firesteel {

// --state-dir, else $FIRESTEEL_STATE_DIR, else the service manager's $STATE_DIRECTORY, else $XDG_STATE_HOME/firesteel, else
// ~/.local/state/firesteel.
void add_state_option(Command* command, std::string* state_dir);
std::string state_dir_to_use(const std::string& option);

struct Installation {
  std::string state_dir;
  std::unique_ptr<Store> store;      // outlives tenants
  std::unique_ptr<Tenants> tenants;
  Bootstrap bootstrap;
};
// Makes the folder, the secret, the database and the admin key when they are not there. $FIRESTEEL_DATABASE names a PostgreSQL
// database that several replicas share ("postgresql://user@host/name"); they need the same server.secret.
Result<Installation> open_installation(const std::string& state_dir, int64_t kv_tokens);

}  // namespace firesteel
