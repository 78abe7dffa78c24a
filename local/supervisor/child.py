"""Becomes another program that cannot outlive the supervisor: the kernel ends it when the supervisor dies, however that happens.

    python child.py SUPERVISOR_PID PROGRAM [ARGUMENT ...]

A program that has children of its own and wants to see them off asks the kernel for a gentler signal itself, as local/foreground.py does.
Only Linux tells a process that its parent died; elsewhere the next start ends what was left over.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
NOT_FOUND = 127


def main() -> None:
    """Tie this process to its supervisor, then become the program."""
    supervisor, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != supervisor:  # it died before we asked to be told
        return
    try:
        os.execvp(program[0], program)  # noqa: S606 - the program is named by the supervisor
    except OSError as problem:
        sys.stderr.write(f"cannot start {program[0]}: {problem.strerror}\n")
        sys.exit(NOT_FOUND)


if __name__ == "__main__":
    main()
