"""The calls of the Linux kernel that the jail needs and Python does not offer."""

import ctypes
import os
import platform
import weakref

_LIBC = ctypes.PyDLL(None, use_errno=True)
"""Keeps the interpreter's lock: a clone made through it must come back into an interpreter whose lock it holds."""

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
PR_SET_VMA = 0x53564D41

CLONE_THREAD = 0x00010000
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_RDONLY, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 32, 1, 4096, 16384, 1 << 18
MNT_DETACH = 2

PROT_READ, PROT_WRITE, MAP_SHARED, MAP_ANONYMOUS = 1, 2, 1, 0x20
_MAP_FAILED = ctypes.c_void_p(-1).value
_LIBC.mmap.restype = ctypes.c_void_p

_CLONE, _PIVOT_ROOT, _CAPSET = {"x86_64": (56, 155, 126), "aarch64": (220, 41, 91)}.get(platform.machine(), (-1, -1, -1))
_CAPABILITY_VERSION_3 = 0x20080522


def syscall(number: int, *arguments: object) -> int:
    """Any system call by its number. Raises OSError."""
    if number < 0:
        raise OSError(f"not known on {platform.machine()}")
    return _checked(_LIBC.syscall(ctypes.c_long(number), *arguments))


def prctl(option: int, *arguments: int) -> None:
    """Change an attribute of this process. Raises OSError."""
    padded = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    _checked(_LIBC.prctl(ctypes.c_int(option), *padded))


def clone(flags: int) -> int:
    """Like fork, into new namespaces: 0 in the child. Only for a process of one thread. Raises OSError where not permitted."""
    sigchld = 17
    zero = ctypes.c_ulong(0)
    return syscall(_CLONE, ctypes.c_ulong(flags | sigchld), zero, zero, zero, zero)


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mount. Raises OSError."""
    _checked(_LIBC.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()))


def pivot_root_here() -> None:
    """Make the current directory the root and let go of the old one. Raises OSError."""
    syscall(_PIVOT_ROOT, b".", b".")
    _checked(_LIBC.umount2(b".", ctypes.c_int(MNT_DETACH)))


def drop_capabilities() -> None:
    """Give up every capability for good. Raises OSError."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    syscall(_CAPSET, header, (ctypes.c_uint32 * 6)())


def map_read_only(descriptor: int, size: int) -> memoryview:
    """A file's pages, shared with whoever made them, until nothing refers to them any more. Raises OSError.

    Unlike mmap.mmap it asks the kernel nothing about the file.
    """
    nothing, at = ctypes.c_void_p(None), ctypes.c_long(0)
    address = _LIBC.mmap(nothing, ctypes.c_size_t(size), ctypes.c_int(PROT_READ), ctypes.c_int(MAP_SHARED), descriptor, at)
    if address is None or address == _MAP_FAILED:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    pages = (ctypes.c_ubyte * size).from_address(address)
    weakref.finalize(pages, _LIBC.munmap, ctypes.c_void_p(address), ctypes.c_size_t(size))
    return memoryview(pages).cast("B").toreadonly()


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
