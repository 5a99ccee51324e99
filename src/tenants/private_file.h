// Files that only their owner may read.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace firesteel {

// Makes `path` with mode 0600 and `content`, whole or not at all, on disk when this returns. kFailedPrecondition when it exists.
Status write_private_file(const std::string& path, std::string_view content);

// mkdir -p with mode 0700 for what is made.
Status make_private_folder(const std::string& path);

}  // namespace firesteel
