"""A host that runs whatever Python it is sent: as if V8 had been broken out of. For the tests of the jail alone."""

import ast

from adapters.sandbox.host import Memories
from adapters.sandbox.limits import Limits
from adapters.sandbox.nursery import run

LIMITS = Limits()


class PythonHost:
    """Answers with the value of the last expression, or with what it raised."""

    def answer(self, owner: str, request: bytes, memories: Memories) -> bytes:
        names: dict[str, object] = {"memories": memories, "owner": owner}
        try:
            tree = ast.parse(request.decode())
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "<request>", "exec"), names)
            value = eval(compile(ast.Expression(last.value), "<request>", "eval"), names) if last is not None else None
        except Exception as error:  # noqa: BLE001 - whatever the request raises is the answer
            return f"{type(error).__name__}: {error}".encode()
        return repr(value).encode()

    def forget(self, owner: str) -> None:
        """It keeps nothing."""


if __name__ == "__main__":
    import ctypes  # noqa: F401 - loaded before the jail, for requests
    import mmap  # noqa: F401
    import subprocess  # noqa: F401

    run(PythonHost, LIMITS)
