// firesteel mcp list|pin.
#pragma once

#include "command_line.h"

namespace firesteel {

void add_mcp(Command root);

}  // namespace firesteel
