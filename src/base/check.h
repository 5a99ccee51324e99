// CHECK for our own bugs: always on, prints where and what, and aborts.
// No input from a client, file or tenant may reach one: errors of the world are Result (result.h).
#pragma once

namespace firesteel {

// Prints "file:line: CHECK failed: text" to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* text);

}  // namespace firesteel

#define CHECK(condition) \
  (__builtin_expect(!!(condition), 1) ? static_cast<void>(0) : ::firesteel::check_failed(__FILE__, __LINE__, #condition))

// For inner loops: checked in Debug builds only, but always compiled.
#ifdef NDEBUG
#define DCHECK(condition) static_cast<void>(sizeof(!!(condition)))
#else
#define DCHECK(condition) CHECK(condition)
#endif
