// Subcommands of eval that have a file of their own.
#pragma once

#include "command_line.h"

namespace firesteel {

void add_eval_arena(Command eval);
void add_eval_import(Command eval);

}  // namespace firesteel
