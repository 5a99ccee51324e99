// What this binary was built from, compiled in when CMake configures.
#pragma once

namespace firesteel {

const char* build_version();   // "0.1.0"
const char* build_commit();    // short hash, "-dirty" when the tree had changes, "unknown" without git
const char* build_compiler();  // "GNU 12.2.0"
const char* build_flags();     // type and its flags

}  // namespace firesteel
