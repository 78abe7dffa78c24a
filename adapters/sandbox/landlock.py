"""Landlock: no file, no TCP, no signal and no abstract socket outside of this process. Independent of users and namespaces."""

import ctypes
import os
import struct

from adapters.sandbox import kernel

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_CREATE_VERSION = 1
_FILE_RIGHTS = {1: 0x1FFF, 2: 0x3FFF, 3: 0x7FFF, 4: 0x7FFF}
"""By version; every right the kernel can take away. From 5 on device commands too."""
_NEWEST_FILE_RIGHTS = 0xFFFF
_BIND_AND_CONNECT_TCP = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
_NETWORK_SINCE, _SCOPES_SINCE = 4, 6


def restrict() -> int:
    """Give up all of it for this thread and what it starts; the kernel's version of Landlock. Raises OSError; needs no_new_privs."""
    version = kernel.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_CREATE_VERSION))
    attributes = _attributes(version)
    ruleset = kernel.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    try:
        kernel.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)
    return version


def _attributes(version: int) -> bytes:
    """What is governed; without a rule that allows something it is forbidden."""
    attributes = struct.pack("Q", _FILE_RIGHTS.get(version, _NEWEST_FILE_RIGHTS))
    if version >= _NETWORK_SINCE:
        attributes += struct.pack("Q", _BIND_AND_CONNECT_TCP)
    if version >= _SCOPES_SINCE:
        attributes += struct.pack("Q", _ABSTRACT_SOCKETS_AND_SIGNALS)
    return attributes
