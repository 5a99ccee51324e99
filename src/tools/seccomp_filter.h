// A filter of system calls for the sandbox: what has no place in a computation is refused with EPERM (bpf(2), seccomp(2)).
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace firesteel {

// A classic BPF program as the kernel takes it (an array of struct sock_filter), for this machine's architecture. Refused: namespaces,
// mounts, other processes' memory, kernel modules, keys, clocks, io_uring, user faults, packet and internet sockets, terminal injection; system
// calls of another architecture end the process. kUnsupported: an architecture that is not known.
Result<std::string> seccomp_filter();

// Runs the filter on one call as the kernel would: its verdict (SECCOMP_RET_ALLOW ...). For tests.
uint32_t run_seccomp_filter(const std::string& program, uint32_t architecture, uint32_t number, const uint64_t (&arguments)[6]);
uint32_t native_audit_architecture();  // 0: not known

}  // namespace firesteel
