#include "build_info.h"

namespace firesteel {

const char* build_version() { return FS_VERSION; }
const char* build_commit() { return FS_COMMIT; }
const char* build_compiler() { return FS_COMPILER; }
const char* build_flags() { return FS_FLAGS; }

}  // namespace firesteel
