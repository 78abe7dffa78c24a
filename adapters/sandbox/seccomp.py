"""A filter on system calls: the kernel answers EPERM to everything that is not on a short list, for ever and for every thread to come."""

import ctypes
import errno
import os
import platform
import struct
from dataclasses import dataclass

from adapters.sandbox import kernel
from adapters.sandbox.syscalls import HARMLESS, MACHINES, number

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _MACHINE_AT, _ARGUMENTS_AT = 0, 4, 16
_FOREIGN_NUMBERS = 0x40000000
"""x86_64 has a second table of calls from here on."""
_SECCOMP_MODE_FILTER = 2

_AF_UNIX, _SOCK_STREAM, _SOCKET_KINDS = 1, 1, 0xF
_DESCRIPTOR_REQUESTS = (0x5421, 0x5450, 0x5451)
"""FIONBIO, FIONCLEX, FIOCLEX."""
_DESCRIPTOR_COMMANDS = (1, 2, 3, 4, 1030)
"""F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC: not F_SETOWN, by which the kernel signals other processes."""
_NOT_A_CLOCK_OF_ONE_PROCESS = 0xFFFFFFF0


@dataclass(frozen=True)
class _Equals:
    """Of one half of an argument, where the mask has ones."""

    argument: int
    value: int
    mask: int = 0xFFFFFFFF
    upper: bool = False

    def lines(self, otherwise: int) -> list[bytes]:
        """Go on where it holds, else skip `otherwise` lines more."""
        at = _ARGUMENTS_AT + 8 * self.argument + 4 * self.upper
        return [_line(_LOAD, at), _line(_AND, self.mask), _line(_JUMP_EQUAL, self.value, 0, otherwise)]


def restrict() -> None:
    """From here on this thread, and all it starts, can use what is open already and nothing else. Raises OSError; needs no_new_privs."""
    if platform.machine() not in MACHINES:
        raise OSError(errno.ENOSYS, f"no list of system calls for {platform.machine()}")
    program = b"".join(_program(os.getpid()))
    lines = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(lines))
    argument = ctypes.create_string_buffer(head, len(head))
    kernel.prctl(kernel.PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(argument))


def _program(pid: int) -> list[bytes]:
    refuse, allow = _line(_RETURN, _ERRNO | errno.EPERM), _line(_RETURN, _ALLOW)
    program = [
        _line(_LOAD, _MACHINE_AT),
        _line(_JUMP_EQUAL, MACHINES[platform.machine()], 1, 0),
        _line(_RETURN, _KILL),
        _line(_LOAD, _NUMBER_AT),
        _line(_JUMP_AT_LEAST, _FOREIGN_NUMBERS, 0, 1),
        refuse,
    ]
    for name in sorted(HARMLESS):
        program += _when(name, [allow])
    for name, alternatives in _restricted(pid).items():
        tested = [line for alternative in alternatives for line in _alternative(alternative, allow)]
        program += _when(name, [*tested, refuse])
    # glibc tries clone3 first, whose flags a filter cannot see, and falls back to clone where there is none
    program += _when("clone3", [_line(_RETURN, _ERRNO | errno.ENOSYS)])
    return [*program, refuse]


def _restricted(pid: int) -> dict[str, list[tuple[_Equals, ...]]]:
    """Calls that can do more than we want, with the alternatives of what must hold for their arguments."""
    return {
        # threads, not processes
        "clone": [(_Equals(0, kernel.CLONE_THREAD, mask=kernel.CLONE_THREAD),)],
        # memory shared with others only to read what was given: it counts as nobody's
        "mmap": [
            (_Equals(3, 0, mask=kernel.MAP_SHARED),),
            (_Equals(3, 0, mask=kernel.MAP_ANONYMOUS), _Equals(2, 0, mask=kernel.PROT_WRITE)),
        ],
        "ioctl": [(_Equals(1, request),) for request in _DESCRIPTOR_REQUESTS],
        "fcntl": [(_Equals(1, command),) for command in _DESCRIPTOR_COMMANDS],
        "prctl": [(_Equals(0, kernel.PR_SET_NAME),), (_Equals(0, kernel.PR_SET_VMA),)],
        # to whom it is connected, never to an address
        "sendto": [(_Equals(4, 0), _Equals(4, 0, upper=True))],
        "socketpair": [(_Equals(0, _AF_UNIX), _Equals(1, _SOCK_STREAM, mask=_SOCKET_KINDS))],
        "clock_gettime": [(_Equals(0, 0, mask=_NOT_A_CLOCK_OF_ONE_PROCESS),)],
        "tgkill": [(_Equals(0, pid),)],
        # to read one's own limits
        "prlimit64": [(_Equals(0, 0), _Equals(2, 0), _Equals(2, 0, upper=True))],
    }


def _alternative(tests: tuple[_Equals, ...], allow: bytes) -> list[bytes]:
    lines: list[bytes] = [allow]
    for test in reversed(tests):
        lines = [*test.lines(otherwise=len(lines)), *lines]
    return lines


def _when(name: str, lines: list[bytes]) -> list[bytes]:
    called = number(name)
    return [] if called is None else [_line(_JUMP_EQUAL, called, 0, len(lines)), *lines]


def _line(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, when_true, when_false, value)
