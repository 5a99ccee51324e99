#include "tools/seccomp_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include <cstddef>
#include <cstring>
#include <string_view>
#include <vector>

namespace firesteel {
namespace {

constexpr uint32_t kX32Bit = 0x40000000;  // system calls of x86-64's third ABI have numbers from here on

// Whole calls. Numbers are this architecture's; what it does not have is not in the list.
constexpr uint32_t kRefused[] = {
    SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_getfd,
    SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_move_mount, SYS_open_tree, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_mount_setattr,
    SYS_setns, SYS_unshare, SYS_name_to_handle_at, SYS_open_by_handle_at, SYS_quotactl, SYS_swapon, SYS_swapoff,
    SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_kexec_load, SYS_kexec_file_load, SYS_reboot, SYS_syslog, SYS_acct,
    SYS_bpf, SYS_perf_event_open, SYS_userfaultfd, SYS_fanotify_init, SYS_lookup_dcookie,
    SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
    SYS_add_key, SYS_request_key, SYS_keyctl,
    SYS_settimeofday, SYS_clock_settime, SYS_clock_adjtime, SYS_adjtimex, SYS_sethostname, SYS_setdomainname,
    SYS_personality, SYS_vhangup, SYS_nfsservctl, SYS_migrate_pages, SYS_move_pages, SYS_mbind, SYS_set_mempolicy,
};
constexpr uint32_t kNamespaceFlags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

class Program {
 public:
  void load(size_t offset) { code_.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset))); }
  void load_argument(int i) { load(offsetof(seccomp_data, args) + static_cast<size_t>(i) * 8); }  // its lower half; little-endian machines only
  void verdict(uint32_t what) { code_.push_back(BPF_STMT(BPF_RET | BPF_K, what)); }
  void verdict_if(uint16_t test, uint32_t value, uint32_t what) {
    code_.push_back(BPF_JUMP(static_cast<uint16_t>(BPF_JMP | test | BPF_K), value, 0, 1));
    verdict(what);
  }
  void verdict_unless(uint32_t value, uint32_t what) {
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0));
    verdict(what);
  }
  // The instructions that `body` adds are for calls of this number only.
  template <typename Body>
  void only_for(uint32_t number, const Body& body) {
    const size_t at = code_.size();
    code_.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 0));
    body();
    code_[at].jf = static_cast<uint8_t>(code_.size() - at - 1);
  }
  std::string bytes() const {
    std::string out(code_.size() * sizeof(sock_filter), '\0');
    std::memcpy(out.data(), code_.data(), out.size());
    return out;
  }

 private:
  std::vector<sock_filter> code_;
};

}  // namespace

uint32_t native_audit_architecture() {
  utsname names{};
  if (uname(&names) != 0) return 0;
  const std::string_view machine = names.machine;
  if (machine == "x86_64") return AUDIT_ARCH_X86_64;
  if (machine == "aarch64") return AUDIT_ARCH_AARCH64;
  return 0;
}

Result<std::string> seccomp_filter() {
  const uint32_t architecture = native_audit_architecture();
  if (architecture == 0) return Error{ErrorCode::kUnsupported, "no filter of system calls for this architecture"};
  const uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
  Program program;
  program.load(offsetof(seccomp_data, arch));
  program.verdict_unless(architecture, SECCOMP_RET_KILL_PROCESS);
  program.load(offsetof(seccomp_data, nr));
  if (architecture == AUDIT_ARCH_X86_64) program.verdict_if(BPF_JGE, kX32Bit, SECCOMP_RET_KILL_PROCESS);
  for (const uint32_t number : kRefused) program.verdict_if(BPF_JEQ, number, refuse);
  program.verdict_if(BPF_JEQ, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);  // its flags are in memory, which a filter cannot see; libraries fall back to clone
  // Each part ends in a verdict, so that none sees another's registers.
  program.only_for(SYS_clone, [&] {
    program.load_argument(0);
    program.verdict_if(BPF_JSET, kNamespaceFlags, refuse);
    program.verdict(SECCOMP_RET_ALLOW);
  });
  program.only_for(SYS_socket, [&] {
    program.load_argument(0);
    program.verdict_if(BPF_JEQ, AF_UNIX, SECCOMP_RET_ALLOW);
    program.verdict(refuse);
  });
  program.only_for(SYS_ioctl, [&] {
    program.load_argument(1);
    program.verdict_if(BPF_JEQ, TIOCSTI, refuse);
    program.verdict_if(BPF_JEQ, TIOCLINUX, refuse);
    program.verdict(SECCOMP_RET_ALLOW);
  });
  program.verdict(SECCOMP_RET_ALLOW);
  return program.bytes();
}

uint32_t run_seccomp_filter(const std::string& program, uint32_t architecture, uint32_t number, const uint64_t (&arguments)[6]) {
  std::vector<sock_filter> code(program.size() / sizeof(sock_filter));
  std::memcpy(code.data(), program.data(), code.size() * sizeof(sock_filter));
  seccomp_data call{};
  call.nr = static_cast<int>(number);
  call.arch = architecture;
  std::memcpy(call.args, arguments, sizeof call.args);
  uint32_t value = 0;
  for (size_t at = 0; at < code.size(); ++at) {
    const sock_filter& step = code[at];
    if (step.code == (BPF_LD | BPF_W | BPF_ABS)) {
      std::memcpy(&value, reinterpret_cast<const char*>(&call) + step.k, sizeof value);
    } else if (step.code == (BPF_RET | BPF_K)) {
      return step.k;
    } else {
      const bool yes = step.code == (BPF_JMP | BPF_JEQ | BPF_K) ? value == step.k : step.code == (BPF_JMP | BPF_JGE | BPF_K) ? value >= step.k : (value & step.k) != 0;
      at += yes ? step.jt : step.jf;
    }
  }
  return SECCOMP_RET_KILL_PROCESS;
}

}  // namespace firesteel
