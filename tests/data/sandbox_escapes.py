"""Attempts to get out of the sandbox, run inside it: each prints ESCAPED and its name when it works. The test appends a call of run_all() with what
it has put outside: a listening port, a file, sockets, a process. What is refused raises or returns an error, and that is the point."""

import ctypes
import os
import platform
import resource
import signal
import socket
import struct
import subprocess

ARM = platform.machine() == "aarch64"
NUMBERS = {  # x86_64, aarch64
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268), "clone": (56, 220), "clone3": (435, 435), "ptrace": (101, 117),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "bpf": (321, 280),
    "perf_event_open": (298, 241), "add_key": (248, 217), "keyctl": (250, 219), "init_module": (175, 105), "finit_module": (313, 273), "userfaultfd": (323, 282),
    "reboot": (169, 142), "clock_settime": (227, 112), "settimeofday": (164, 170), "adjtimex": (159, 171), "sethostname": (170, 161), "syslog": (103, 116),
    "personality": (135, 92), "quotactl": (179, 60), "kexec_load": (246, 104), "swapon": (167, 224), "io_uring_setup": (425, 425), "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264), "capset": (126, 91), "acct": (163, 89), "fanotify_init": (300, 262), "socket": (41, 198), "setuid": (105, 146), "mbind": (237, 235)}
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def call(name, *arguments):
    """A raw system call; raises when it is refused."""
    if libc.syscall(NUMBERS[name][ARM], *arguments) < 0:
        raise OSError(ctypes.get_errno(), name)
    return True


def opened(path, flags=os.O_RDONLY):
    return os.open(path, flags) >= 0


def connected(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as s:
        s.settimeout(0.5)
        s.connect(address)
        return True


def in_child(work):
    """True when the child got through it."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def raises_limit():
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (hard + 100, hard + 100))
    return True


def fills_disk():
    with open("fill", "wb") as f:
        for _ in range(100):
            f.write(bytes(1 << 20))
    return True


def stray_descriptor():
    return any(os.path.exists(f"/proc/self/fd/{fd}") and not os.readlink(f"/proc/self/fd/{fd}").startswith(("/proc", "pipe:", "/dev", "/scratch")) for fd in range(3, 256))


def host_processes():
    return sum(name.isdigit() for name in os.listdir("/proc")) > 20


def device_node():
    os.mknod("disk", 0o600 | 0o060000, os.makedev(254, 0))
    return opened("disk")


def inject():
    import fcntl
    with open("/dev/tty", "w") as tty:
        fcntl.ioctl(tty, 0x5412, b"x")
    return True


def write(path, text="x"):
    with open(path, "w") as f:
        f.write(text)
    return True


def attempts(port, file, path_socket, abstract_socket, pid, marker):
    a4, a6 = ("127.0.0.1", port), ("::1", port)
    top = "/"
    return {
        # network
        "tcp to the host": lambda: connected(socket.AF_INET, a4), "tcp over ipv6": lambda: connected(socket.AF_INET6, a6),
        "udp to the world": lambda: connected(socket.AF_INET, ("8.8.8.8", 53), socket.SOCK_DGRAM), "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
        "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 768), "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
        "vsock": lambda: socket.socket(40, socket.SOCK_STREAM), "bluetooth": lambda: socket.socket(31, socket.SOCK_STREAM), "kernel crypto": lambda: socket.socket(38, socket.SOCK_SEQPACKET),
        "abstract unix socket": lambda: connected(socket.AF_UNIX, "\0" + abstract_socket), "unix socket of the host": lambda: connected(socket.AF_UNIX, path_socket),
        "socket by number": lambda: call("socket", 2, 1, 0), "shell's tcp": lambda: subprocess.run(["/bin/bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"], check=True, stderr=subprocess.DEVNULL),
        "io_uring": lambda: call("io_uring_setup", 4, ctypes.create_string_buffer(256)),
        # files
        "the canary's file": lambda: opened(file), "write the canary's file": lambda: write(file), "passwords": lambda: opened(top + "etc/shadow"), "users": lambda: opened(top + "etc/passwd"),
        "homes": lambda: os.listdir(top + "home"), "root's home": lambda: os.listdir(top + "root"), "var": lambda: os.listdir(top + "var"), "run": lambda: os.listdir(top + "run"),
        "sys": lambda: os.listdir(top + "sys"), "write into usr": lambda: write("/usr/bin/canary"), "write into etc": lambda: write("/etc/canary"), "write at the top": lambda: write("/canary"),
        "write into dev": lambda: write("/dev/canary"), "shared memory": lambda: write("/dev/shm/canary"), "change a program's mode": lambda: os.chmod("/usr/bin/true", 0o777),
        "through the root of process 1": lambda: opened("/proc/1/root" + file), "a link out": lambda: (os.symlink(file, "link"), opened("link")), "up and out": lambda: opened("../" * 30 + file.lstrip("/")),
        "a device node": device_node, "by handle": lambda: call("open_by_handle_at", -100, ctypes.create_string_buffer(64), 0), "handle of a name": lambda: call("name_to_handle_at", -100, b"/usr", 0, 0, 0),
        "kernel memory": lambda: opened("/proc/kcore"), "physical memory": lambda: opened("/dev/mem"), "sysctl": lambda: write("/proc/sys/kernel/hostname", "sandbox"),
        "sysrq": lambda: os.path.getsize("/proc/sysrq-trigger") >= 0 and not os.path.samefile("/proc/sysrq-trigger", "/dev/null") and opened("/proc/sysrq-trigger", os.O_WRONLY), "core pattern": lambda: opened("/proc/sys/kernel/core_pattern", os.O_WRONLY), "fill the scratch folder": fills_disk,
        "an inherited descriptor": stray_descriptor,
        # processes
        "see the host's processes": host_processes, "signal the host's process": lambda: os.kill(pid, signal.SIGKILL) is None, "attach to process 1": lambda: call("ptrace", 16, 1, 0, 0),
        "trace me": lambda: call("ptrace", 0, 0, 0, 0), "read process 1": lambda: call("process_vm_readv", 1, 0, 0, 0, 0, 0), "write process 1": lambda: call("process_vm_writev", 1, 0, 0, 0, 0, 0),
        "memory of the host's process": lambda: opened(f"/proc/{pid}/mem", os.O_RDWR), "environment of process 1": lambda: marker.encode() in open("/proc/1/environ", "rb").read(),
        "compare with process 1": lambda: call("kcmp", os.getpid(), 1, 0, 0, 0), "take a descriptor": lambda: call("pidfd_getfd", libc.syscall(NUMBERS["pidfd_open"][ARM], 1, 0), 0, 0),
        "become root": lambda: os.setuid(0) is None, "take capabilities": lambda: call("capset", struct.pack("II", 0x20080522, 0), struct.pack("6I", *[0xFFFFFFFF] * 6)),
        "raise a limit": raises_limit, "below zero in the killer's list": lambda: write("/proc/self/oom_score_adj", "-1000"),
        "a new user namespace": lambda: call("unshare", 0x10000000), "a new network namespace": lambda: call("unshare", 0x40000000), "clone into namespaces": lambda: call("clone", 0x10000000 | 17, 0, 0, 0, 0),
        "clone3": lambda: call("clone3", ctypes.create_string_buffer(88), 88), "enter process 1's namespace": lambda: call("setns", os.open("/proc/1/ns/net", os.O_RDONLY), 0),
        # mounts
        "mount": lambda: call("mount", b"none", b"/usr", b"tmpfs", 0, 0), "remount to write": lambda: call("mount", 0, b"/", 0, 32 | 4096, 0), "unmount proc": lambda: call("umount2", b"/proc", 2),
        "pivot": lambda: call("pivot_root", b".", b"."), "chroot": lambda: call("chroot", b"/scratch"), "open a tree": lambda: call("open_tree", -100, b"/", 1), "move a mount": lambda: call("move_mount", 0, 0, 0, 0, 0),
        "open a file system": lambda: call("fsopen", b"tmpfs", 0), "change a mount": lambda: call("mount_setattr", -100, b"/", 0, ctypes.create_string_buffer(32), 32),
        # the kernel
        "bpf": lambda: call("bpf", 0, ctypes.create_string_buffer(128), 128), "performance counters": lambda: call("perf_event_open", ctypes.create_string_buffer(128), 0, -1, -1, 0),
        "keys": lambda: call("add_key", b"user", b"a", b"b", 1, -4), "keyctl": lambda: call("keyctl", 0, -4, 1), "a module": lambda: call("init_module", b"", 0, b""), "a module's file": lambda: call("finit_module", 0, b"", 0),
        "user faults": lambda: call("userfaultfd", 0), "reboot": lambda: call("reboot", 0xFEE1DEAD, 672274793, 0, 0), "the clock": lambda: call("clock_settime", 0, struct.pack("qq", 0, 0)),
        "time of day": lambda: call("settimeofday", struct.pack("qq", 0, 0), 0), "adjust time": lambda: call("adjtimex", ctypes.create_string_buffer(256)), "host name": lambda: call("sethostname", b"x", 1),
        "kernel log": lambda: call("syslog", 3, ctypes.create_string_buffer(100), 100), "no randomised addresses": lambda: call("personality", 0x0040000), "quotas": lambda: call("quotactl", 0, 0, 0, 0),
        "another kernel": lambda: call("kexec_load", 0, 0, 0, 0), "swap": lambda: call("swapon", b"/scratch/x", 0), "accounting": lambda: call("acct", b"/scratch/x"), "watch all files": lambda: call("fanotify_init", 0, 0),
        "type into the terminal": inject, "another instruction set's calls": lambda: not ARM and in_child(lambda: libc.syscall(0x40000000 | 39)),
    }


def run_all(*where):
    n = 0
    for name, attempt in attempts(*where).items():
        n += 1
        try:
            if attempt() is not False:
                print("ESCAPED", name, flush=True)
        except BaseException:
            pass
    print("tried", n, flush=True)
