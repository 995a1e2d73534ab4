"""Run a command that dies with its parent: `python -S leash.py PARENT_PID COMMAND...`.

On Linux the kernel kills it when the parent ends, however that happens. Elsewhere it just runs. A launcher and not a
`preexec_fn`, because that would fork a process that may have threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent and become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the kernel knew
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the command is the runner's own


if __name__ == "__main__":
    main()
