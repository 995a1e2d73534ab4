"""Find out which server this process is a worker of: that of its parent, if both hold the same listening socket.

That is what workers of one address have in common, by whatever server they were started, forked or spawned; and what
two programs that were started from one shell do not. Read from /proc, so on Linux alone; elsewhere no process is a
worker.
"""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 the directory in it is checked
_TEMPORARY = Path("/tmp")  # noqa: S108 not $TMPDIR, which workers may not share


class Group(NamedTuple):
    """The workers of one server that run one service.

    Attributes:
        pid: Of the server's supervisor.
        start: When it started, in ticks since boot, as process ids come again.
        socket: The inode of the listening socket.
        service: Name of the service.
    """

    pid: int
    start: int
    socket: int
    service: str

    def file_name(self) -> str:
        """Return a name that no other group has."""
        return f"{_pid_namespace()}-{self.pid}-{self.start}-{self.socket}-{crc32(self.service.encode()):08x}"


def find(service: str) -> Group | None:
    """Return the group of this process; None if it is no worker."""
    pid = os.getppid()
    start = start_ticks(pid)
    if start is None:
        return None
    own = dict(_sockets("self"))
    try:
        theirs = {inode for _, inode in _sockets(str(pid))}
    except PermissionError:  # another user's: a supervisor that has changed its workers' user made the socket
        theirs = {inode for fd, inode in own.items() if _made_by_another_user(fd)}
    listening = sorted(inode for fd, inode in own.items() if inode in theirs and _listens(fd))
    return Group(pid, start, listening[0], service) if listening else None


def start_ticks(pid: int) -> int | None:
    """Return when a process started; None if it does not live."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def lives(pid: int, start: int) -> bool:
    """Tell whether the process that had this id and start lives."""
    return start_ticks(pid) == start


def directory() -> Path:
    """Return the directory of this user's groups, made if it is missing.

    Raises:
        OSError: There is none, or it is somebody else's.
    """
    parent = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else _TEMPORARY
    path = parent / f"clew-{os.geteuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{path} is not a directory of this user's alone")
    return path


def led_by_us(service: str) -> list[Path]:
    """Return the files of this process' own workers of a service, if it is a supervisor."""
    pid = os.getpid()
    try:
        files = list(directory().iterdir())
    except OSError:
        return []
    head, tail = f"{_pid_namespace()}-{pid}-{start_ticks(pid)}-", f"-{crc32(service.encode()):08x}"
    return [file for file in files if file.name.startswith(head) and file.name.endswith(tail)]


def sweep(where: Path) -> None:
    """Remove the files of supervisors that have ended."""
    for file in where.iterdir():
        namespace, pid, start, *_ = [*file.name.split("-"), "", "", ""]
        if namespace == _pid_namespace() and pid.isdigit() and start.isdigit() and not lives(int(pid), int(start)):
            file.unlink(missing_ok=True)


def _sockets(process: str) -> Iterator[tuple[int, int]]:
    """Yield file descriptor and inode of a process' sockets."""
    where = f"/proc/{process}/fd"
    try:
        names = os.listdir(where)  # noqa: PTH208 much cheaper than Path
    except FileNotFoundError:
        return
    for name in names:
        try:
            target = os.readlink(f"{where}/{name}")  # noqa: PTH115
        except FileNotFoundError:  # closed meanwhile
            continue
        if target.startswith("socket:["):
            yield int(name), int(target[8:-1])


def _listens(fd: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(fd)) as copy:
            return bool(copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        return False


def _made_by_another_user(fd: int) -> bool:
    try:
        return os.fstat(fd).st_uid != os.geteuid()
    except OSError:
        return False


def _pid_namespace() -> str:
    """Return the number of the space that process ids are in, as containers may share a directory."""
    try:
        return os.readlink("/proc/self/ns/pid")[5:-1]  # noqa: PTH115
    except OSError:
        return "0"
