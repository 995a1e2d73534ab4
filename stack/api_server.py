"""A Kubernetes API server on an etcd of its own, without the rest of a cluster: it says what a cluster would take."""

from __future__ import annotations

import os
import secrets
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives import serialization  # of what trustme needs
from cryptography.hazmat.primitives.asymmetric import rsa
from shop.child import Child, stop_all
from shop.ports import LOOPBACK, free_ports

from stack import binary, debian

START_SECONDS = 90.0
STOP_SECONDS = 10.0


class ApiServer:
    """A running API server: `with ApiServer(directory) as cluster: cluster.kubectl("get", "namespaces")`.

    Nothing runs what it is told, for there is no controller, scheduler or node: a Deployment makes no pods.

    Args:
        directory: Holds etcd's data, the certificate, the keys and the logs.

    Raises:
        MissingBinaryError: One of kube-apiserver, kubectl and etcd is not here.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kubectl = binary.find("kubectl")
        self._port, client, peer = free_ports(3)
        self._token = secrets.token_hex(16)
        (directory / "tokens").write_text(f"{self._token},operator,operator,system:masters\n", encoding="utf-8")
        _write_key(directory / "accounts.pem")
        etcd = debian.provided("etcd-server", lambda: shutil.which("etcd"))
        urls = (f"http://{LOOPBACK}:{client}", f"http://{LOOPBACK}:{peer}")
        self._etcd = self._child("etcd", [etcd, *_etcd_options(directory / "etcd", *urls)], f"{urls[0]}/health")
        command = [str(binary.find("kube-apiserver")), *_options(directory, urls[0], self._port)]
        self._server = self._child("kube-apiserver", command, f"{self._url}/readyz")

    @property
    def _url(self) -> str:
        return f"https://{LOOPBACK}:{self._port}"

    @property
    def _certificate(self) -> Path:
        return self._directory / "certificates" / "apiserver.crt"

    def __enter__(self) -> Self:
        try:
            for child in (self._etcd, self._server):
                child.start()
                child.wait_ready(START_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        for child in (self._server, self._etcd):  # it asks etcd until it ends
            stop_all([child], STOP_SECONDS)

    def kubectl(self, *arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl as an operator who may do anything, with `given` as its input; its exit code is not looked at."""
        who = (f"--server={self._url}", f"--token={self._token}", f"--certificate-authority={self._certificate}")
        alone = {
            "HOME": str(self._directory),
            "KUBECONFIG": "",
            "PATH": os.environ["PATH"],
        }  # no configuration of the user's
        return subprocess.run(
            [self._kubectl, *who, *arguments], input=given, env=alone, capture_output=True, text=True, check=False
        )

    def _child(self, name: str, command: list[str], ready_url: str) -> Child:
        log = self._directory / f"{name}.log"
        return Child(name, command, dict(os.environ), log, lambda _child: self._answers(ready_url))

    def _answers(self, url: str) -> bool:
        if url.startswith("https:") and not self._certificate.exists():
            return False
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self._token}"})  # noqa: S310 loopback
        context = ssl.create_default_context(cafile=self._certificate) if url.startswith("https:") else None
        try:
            with urllib.request.urlopen(request, timeout=3, context=context) as answer:  # noqa: S310 as above
                return answer.status == 200
        except (OSError, urllib.error.URLError):
            return False


def _etcd_options(data: Path, client_url: str, peer_url: str) -> list[str]:
    return [
        f"--data-dir={data}",
        f"--listen-client-urls={client_url}",
        f"--advertise-client-urls={client_url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
    ]


def _options(directory: Path, etcd_url: str, port: int) -> list[str]:
    key = directory / "accounts.pem"
    return [
        f"--etcd-servers={etcd_url}",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--cert-dir={directory / 'certificates'}",
        f"--token-auth-file={directory / 'tokens'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.invalid",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.0.0.0/24",
    ]


def _write_key(path: Path) -> None:
    """Write a key with which tokens of service accounts would be signed."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.TraditionalOpenSSL
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
