"""An S3-compatible object storage of one process: SeaweedFS, which comes as a wheel."""

from __future__ import annotations

import json
import os
import secrets
import sysconfig
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from shop.child import Child, stop_all
from shop.ports import LOOPBACK, free_ports

START_SECONDS = 60.0
# Each of its parts listens, for HTTP and for gRPC.
_PARTS = ("master", "volume", "filer", "s3")


class ObjectStorage:
    """A running storage with one bucket: `with ObjectStorage(directory, "logs") as storage: storage.endpoint`.

    Attributes:
        endpoint: Host and port of its S3 API, which speaks HTTP.
        access_key_id: Of the only one who may use it.
        secret_access_key: Likewise.
    """

    def __init__(self, directory: Path, bucket: str) -> None:
        self.access_key_id, self.secret_access_key = secrets.token_hex(8), secrets.token_hex(16)
        self._directory, self._bucket = directory, bucket
        ports = dict(zip(_PARTS, zip(*[iter(free_ports(2 * len(_PARTS)))] * 2, strict=True), strict=True))
        self._ports = [port for pair in ports.values() for port in pair]
        self.endpoint, self._filer = (f"{LOOPBACK}:{ports[part][0]}" for part in ("s3", "filer"))
        options = [
            *(f"-{part}.port={http}" for part, (http, _) in ports.items()),
            *(f"-{part}.port.grpc={grpc}" for part, (_, grpc) in ports.items()),
            *(f"-dir={directory}", f"-s3.config={self._identities}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
            *("-filer", "-s3", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
            *("-master.telemetry=false", "-master.volumeSizeLimitMB=64"),
        ]
        program = str(Path(sysconfig.get_path("scripts")) / "weed")
        self._child = Child(
            "object-storage",
            [program, "server", *options],
            dict(os.environ),
            directory / "log",
            lambda _child: self._answers(),
        )

    @property
    def _identities(self) -> Path:
        return self._directory / "identities.json"

    def __enter__(self) -> Self:
        self._directory.mkdir(parents=True, exist_ok=True)
        keys = {"accessKey": self.access_key_id, "secretKey": self.secret_access_key}
        identity = {"name": "clew", "credentials": [keys], "actions": ["Admin"]}
        self._identities.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
        self._child.start()
        try:
            self._child.wait_ready(START_SECONDS)
            # A bucket is a folder of its files.
            asked = urllib.request.Request(f"http://{self._filer}/buckets/{self._bucket}/", method="POST")
            urllib.request.urlopen(asked, timeout=START_SECONDS).close()  # noqa: S310 on loopback
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        stop_all([self._child], 0)  # nobody reads what it stored, and by itself it takes 15 s
        for port in self._ports:
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 it takes no other place
                socket.unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.endpoint}/healthz", timeout=3) as answer:
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False
