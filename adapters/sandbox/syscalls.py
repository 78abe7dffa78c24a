"""What a jailed process may still ask of the kernel, and its numbers on the two machines we know."""

import platform

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The kernel's own name of each."""

_NUMBERS = {
    # name: (x86_64, aarch64); None where the machine has no such call
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "poll": (7, None),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "ioctl": (16, 29),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "recvmsg": (47, 212),
    "socketpair": (53, 199),
    "clone": (56, 220),
    "exit": (60, 93),
    "fcntl": (72, 25),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "sigaltstack": (131, 132),
    "prctl": (157, 167),
    "gettid": (186, 178),
    "time": (201, None),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "sched_getparam": (143, 121),
    "sched_getscheduler": (145, 120),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "epoll_wait": (232, None),
    "epoll_ctl": (233, 21),
    "tgkill": (234, 131),
    "ppoll": (271, 73),
    "set_robust_list": (273, 99),
    "epoll_pwait": (281, 22),
    "epoll_create1": (291, 20),
    "prlimit64": (302, 261),
    "getrandom": (318, 278),
    "membarrier": (324, 283),
    "pkey_mprotect": (329, 288),
    "pkey_alloc": (330, 289),
    "pkey_free": (331, 290),
    "rseq": (334, 293),
    "clone3": (435, 435),
}

HARMLESS = frozenset(_NUMBERS) - {
    # allowed for some arguments only: seccomp.py
    *("mmap", "ioctl", "sendto", "socketpair", "clone", "clone3", "fcntl", "prctl", "clock_gettime", "tgkill", "prlimit64")
}
"""Memory, threads of one's own, time, and the descriptors that are open already: nothing that opens, reaches or starts anything."""


def number(name: str) -> int | None:
    """Of a call on this machine; `None` where there is none."""
    return _NUMBERS[name][list(MACHINES).index(platform.machine())]
