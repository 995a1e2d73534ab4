"""A PostgreSQL server of Debian's package, with a database for each service of the shop."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from shop.child import Child, stop_all
from shop.ports import LOOPBACK, accepts, free_ports

DATABASES = Path(__file__).parent.parent / "demo-services" / "databases.sql"
START_SECONDS = 30.0


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, if they are installed and can be run.

    It refuses to run as root; as root it is run as the user that Debian's package makes.
    """
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    usable = [folder for folder in folders if (folder / "initdb").exists()]
    return usable[-1] if usable and (os.getuid() != 0 or shutil.which("setpriv")) else None


class Postgres:
    """A running server: `with Postgres() as postgres: postgres.url("orders")`.

    Its data are in a directory of their own, which its user can reach, and are gone afterwards.
    """

    def __init__(self) -> None:
        folder = programs()
        if folder is None:
            raise FileNotFoundError("PostgreSQL is not installed")
        self._programs = folder
        self._port = free_ports(1)[0]
        self._directory = Path(tempfile.mkdtemp(prefix="clew-postgres-"))
        self._user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        data = self._directory / "data"
        command = [*self._user, str(folder / "postgres"), "-D", str(data), "-p", str(self._port)]
        command += ["-k", str(self._directory), "-c", f"listen_addresses={LOOPBACK}", "-c", "fsync=off"]
        program = shutil.which(command[0]) or command[0]
        log = self._directory.with_suffix(".log")
        self._child = Child(
            "postgres", [program, *command[1:]], dict(os.environ), log, lambda _child: accepts(self._port)
        )

    def url(self, service: str) -> str:
        """Return the URL of a service's database, as SQLAlchemy writes it."""
        return f"postgresql+asyncpg://shop@{LOOPBACK}:{self._port}/{service}"

    def __enter__(self) -> Self:
        if self._user:
            shutil.chown(self._directory, "postgres", "postgres")
        self._run("initdb", "-D", str(self._directory / "data"), "--username=shop", "--auth=trust", "--no-sync")
        self._child.start()
        try:
            self._child.wait_ready(START_SECONDS)
            self._run("psql", "-h", LOOPBACK, "-p", str(self._port), "-U", "shop", "postgres", "-qf", str(DATABASES))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        stop_all([self._child], 10)
        shutil.rmtree(self._directory)
        self._child.log_path.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str) -> None:
        # psql reads the file itself, which another user may not be allowed to.
        user = [] if program == "psql" else self._user
        subprocess.run([*user, self._programs / program, *arguments], check=True, capture_output=True, cwd="/")
