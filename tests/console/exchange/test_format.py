import gzip
import json
import struct

import pytest
from clew_console.exchange.format import MAGIC, Frame, RunDecoder, RunEncoder, RunFileError

ABOUT = Frame("about", 0, json.dumps({"name": "a run", "started_ns": 1}).encode())
FRAMES = [ABOUT, Frame("traces", 3, b"t" * 1000), Frame("logs", 0, b""), Frame("metrics", 7, b"m" * 300_000)]


def encoded(frames):
    encoder = RunEncoder()
    return b"".join([encoder.begin(), *map(encoder.add, frames), encoder.end()])


def decoded(data, step=1 << 20, **options):
    decoder = RunDecoder(**options)
    found = [frame for at in range(0, len(data), step) for frame in decoder.feed(data[at : at + step])]
    decoder.finish()
    return found


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_what_is_written_is_read_in_pieces_of_any_size(step):
    """Frames come back as they were, however the file is cut."""
    assert decoded(encoded(FRAMES), step) == FRAMES


def _framed(*parts):
    return gzip.compress(
        MAGIC + b"".join(struct.pack(">BII", kind, 0, size) + content for kind, size, content in parts)
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "ends too early"),
        (b"PK\x03\x04", "not gzip"),
        (gzip.compress(b"clew-run 2\n"), "version 2"),
        (gzip.compress(b"something else"), "not a run"),
        (gzip.compress(MAGIC), "ends too early"),
        (encoded(FRAMES)[:-30], "ends too early"),
        (encoded(FRAMES) + b"more", "behind its end"),
        (_framed((0, 2, b"{}"), (4, 32, bytes(32))), "checksum"),
        (_framed((1, 2, b"{}")), "not where it belongs"),
        (_framed((0, 2, b"{}"), (9, 0, b"")), "not where it belongs"),
        (_framed((0, 2, b"{}"), (1, 1 << 31, b"")), "larger than any"),
    ],
    ids=range(11),  # the data holds the time of its making
)
def test_a_broken_file_is_refused_with_the_reason(data, reason):
    """Not gzip, another format or version, cut short, changed, longer: each is told apart."""
    with pytest.raises(RunFileError, match=reason):
        decoded(data)


def test_any_changed_byte_is_noticed():
    """Whichever byte is changed, what is read is never other than what was written."""
    frames = [ABOUT, Frame("traces", 1, bytes(range(256)))]
    data, refused = encoded(frames), 0
    for at in range(len(data)):
        try:
            assert decoded(data[:at] + bytes([data[at] ^ 64]) + data[at + 1 :]) == frames
        except RunFileError:
            refused += 1
    assert refused > 0.95 * len(data)  # the rest says in gzip's head when and where it was made


def test_a_bomb_is_given_up_at_its_limit():
    """A file that inflates to more than is allowed is refused after the allowed bytes, not after all."""
    bomb = encoded([ABOUT, *[Frame("traces", 1, bytes(1 << 20))] * 64])
    assert len(bomb) < 100_000
    with pytest.raises(RunFileError, match="more than a run may hold"):
        decoded(bomb, max_inflated_bytes=8 << 20)
