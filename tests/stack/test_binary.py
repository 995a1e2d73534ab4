"""Where programs of the stack are found."""

import pytest

from stack import binary
from stack.recipe import RECIPES


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return binary.cache()


def test_a_program_that_is_not_built_is_named_with_the_command(cache):
    """What is missing is said with the command that makes it, and the cache follows XDG_CACHE_HOME."""
    with pytest.raises(binary.MissingBinaryError, match=r"loki-3.7.8 is not built: run `python -m stack build loki`"):
        binary.find("loki")


def test_a_built_program_is_found(cache):
    """A program in the cache is found by its name and version."""
    cache.mkdir(parents=True)
    made = cache / RECIPES["loki"].file_name
    made.touch()
    assert binary.find("loki") == made


def test_a_variable_names_another(cache, tmp_path, monkeypatch):
    """NAME_BINARY names the program to use; one that cannot be run is refused by its variable."""
    with pytest.raises(binary.MissingBinaryError, match="set TEMPO_BINARY"):
        binary.find("tempo")
    own = tmp_path / "tempo"
    monkeypatch.setenv("TEMPO_BINARY", str(own))
    with pytest.raises(binary.MissingBinaryError, match=r"TEMPO_BINARY=.* is not a program"):
        binary.find("tempo")
    own.touch(0o755)
    assert binary.find("tempo") == own
