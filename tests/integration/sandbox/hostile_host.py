"""A host that runs whatever Python it is sent: as if V8 had been broken out of. For the tests of the jail alone."""

import ast
import ctypes
import os

from adapters.sandbox.host import Memories
from adapters.sandbox.limits import Limits
from adapters.sandbox.nursery import run

LIMITS = Limits(resident_bytes=128 * 2**20)
_LIBC = ctypes.CDLL(None, use_errno=True)


def syscall(number: int, *arguments: object) -> int:
    """Any system call, as code that broke out would make it."""
    result = int(_LIBC.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class PythonHost:
    """Answers with the value of the last expression, or with what it raised."""

    def __init__(self) -> None:
        self._kept: dict[str, object] = {}
        self._forgotten: list[str] = []

    def answer(self, owner: str, request: bytes, memories: Memories) -> bytes:
        names: dict[str, object] = {"memories": memories, "syscall": syscall, "kept": self._kept, "forgotten": self._forgotten}
        try:
            tree = ast.parse(request.decode())
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "<request>", "exec"), names)
            value = eval(compile(ast.Expression(last.value), "<request>", "eval"), names) if last is not None else None
        except Exception as error:  # noqa: BLE001 - whatever the request raises is the answer
            return f"{type(error).__name__}: {error}".encode()
        return repr(value).encode()

    def forget(self, owner: str) -> None:
        self._forgotten.append(owner)

    @property
    def is_spent(self) -> bool:
        return "spent" in self._kept


if __name__ == "__main__":
    # loaded before the jail is entered, for the requests
    import gc  # noqa: F401
    import multiprocessing.shared_memory  # noqa: F401
    import subprocess  # noqa: F401

    run(PythonHost, LIMITS)
