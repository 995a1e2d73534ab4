"""Programs of Debian's packages."""

import os
import subprocess

import pytest

from stack.binary import MissingBinaryError
from stack.debian import provided


def test_what_is_there_is_not_installed(monkeypatch):
    """Who finds the program gets it, and nothing is run."""
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("nothing is to be installed"))
    assert provided("etcd-server", lambda: "/usr/bin/etcd") == "/usr/bin/etcd"


def test_what_is_missing_is_named_with_the_command(monkeypatch):
    """Who may not install packages is told which one to ask for, and how."""
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    with pytest.raises(MissingBinaryError, match=r"etcd-server is not installed.*: apt-get install etcd-server"):
        provided("etcd-server", lambda: None)
