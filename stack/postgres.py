"""A PostgreSQL server of Debian's package, with a database for each service of the shop."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from shop.child import Child, stop_all
from shop.ports import LOOPBACK, free_ports

from stack.debian import provided

DATABASES = Path(__file__).parent.parent / "demo-services" / "databases.sql"
START_SECONDS = 30.0


def programs() -> Path:
    """Return the folder of PostgreSQL's programs; where they are missing, root on Debian installs them.

    The server refuses to run as root; root runs it as the user that Debian's package makes.

    Raises:
        MissingBinaryError: They are not there and cannot be had.
    """
    return provided("postgresql", _installed)


def _installed() -> Path | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


class Postgres:
    """A running server: `with Postgres() as postgres: postgres.url("orders")`.

    Its data are in a directory of their own, which its user can reach, and are gone afterwards.

    Attributes:
        port: Where it listens, on loopback; its user `shop` needs no password.

    Raises:
        MissingBinaryError: It is not installed and cannot be.
    """

    def __init__(self) -> None:
        self._programs = folder = programs()
        self.port = free_ports(1)[0]
        self._directory = Path(tempfile.mkdtemp(prefix="clew-postgres-"))
        self._user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        data = self._directory / "data"
        command = [*self._user, str(folder / "postgres"), "-D", str(data), "-p", str(self.port)]
        command += ["-k", str(self._directory), "-c", f"listen_addresses={LOOPBACK}", "-c", "fsync=off"]
        program = shutil.which(command[0]) or command[0]
        log = self._directory.with_suffix(".log")
        self._child = Child("postgres", [program, *command[1:]], dict(os.environ), log, lambda _child: self._answers())

    def url(self, service: str) -> str:
        """Return the URL of a service's database, as SQLAlchemy writes it."""
        return f"postgresql+asyncpg://shop@{LOOPBACK}:{self.port}/{service}"

    def __enter__(self) -> Self:
        if self._user:
            shutil.chown(self._directory, "postgres", "postgres")
        self._run("initdb", "-D", str(self._directory / "data"), "--username=shop", "--auth=trust", "--no-sync")
        self._child.start()
        try:
            self._child.wait_ready(START_SECONDS)
            self._psql("postgres", "-qf", str(DATABASES))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        stop_all([self._child], 10)
        shutil.rmtree(self._directory)
        self._child.log_path.unlink(missing_ok=True)

    def _answers(self) -> bool:
        # It listens before it takes queries, so an open port says too little.
        command = [self._programs / "pg_isready", "-q", "-h", LOOPBACK, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def _psql(self, database: str, *arguments: str) -> str:
        place = ("-X", "-h", LOOPBACK, "-p", str(self.port), "-U", "shop", database)
        return self._run("psql", *place, *arguments)

    def _run(self, program: str, *arguments: str) -> str:
        # psql reads files itself, which another user may not be allowed to.
        user = [] if program == "psql" else self._user
        command = [*user, self._programs / program, *arguments]
        return subprocess.run(command, check=True, capture_output=True, cwd="/", text=True).stdout
