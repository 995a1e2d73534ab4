"""Bodies are read whole or refused, never half, never more than the limit."""

import gzip

import pytest
from clew_console.receive.body import BodyTooLargeError, BrokenBodyError, inflate


def test_members_are_joined():
    """A gzip body of several members is the members' contents in a row."""
    assert inflate(gzip.compress(b"one ") + gzip.compress(b"two"), 100) == b"one two"


def test_the_limit_is_inclusive():
    """A body of exactly the limit passes, one byte more does not."""
    assert inflate(gzip.compress(b"x" * 100), 100) == b"x" * 100
    with pytest.raises(BodyTooLargeError):
        inflate(gzip.compress(b"x" * 101), 100)


def test_the_limit_counts_all_members():
    """Many small members do not add up to more than the limit."""
    with pytest.raises(BodyTooLargeError):
        inflate(gzip.compress(b"x" * 60) * 2, 100)


@pytest.mark.parametrize(
    "broken", [b"no gzip", gzip.compress(b"x" * 1000, mtime=0)[:-9], gzip.compress(b"ok", mtime=0) + b"tail"]
)
def test_damage_is_named(broken):
    """Noise, a cut and a tail that is no gzip are broken bodies."""
    with pytest.raises(BrokenBodyError):
        inflate(broken, 10_000)


def test_members_are_few():
    """Many empty members, each of which costs a copy of what is behind it, are refused."""
    with pytest.raises(BrokenBodyError, match="more than 64 gzip members"):
        inflate(gzip.compress(b"") * 65, 100)
    assert inflate(gzip.compress(b"x") * 64, 100) == b"x" * 64
