"""Answers are read as the standard library reads them, however they are written and in whatever pieces they come."""

import http.client
import io
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumentation.export.http_exchange import MAX_BODY_BYTES, MAX_HEAD_BYTES, BadAnswerError, Exchange

HEAD = b"POST /v1/traces HTTP/1.1\r\nHost: here\r\n"


class Pieces:
    """Stands in for a connection: keeps what is sent, and gives what was scripted, piece by piece."""

    def __init__(self, *pieces):
        self.sent = b""
        self._pieces = list(pieces)

    def sendall(self, data):
        self.sent += data

    def recv_into(self, buffer):
        if not self._pieces:
            return 0
        piece, self._pieces[0] = self._pieces[0][: len(buffer)], self._pieces[0][len(buffer) :]
        if not self._pieces[0]:
            self._pieces.pop(0)
        buffer[: len(piece)] = piece
        return len(piece)


class FromBytes(io.BytesIO):
    """What http.client takes for a socket."""

    def makefile(self, _mode):
        return self


def ask(*pieces):
    return Exchange(Pieces(*pieces)).request(HEAD, b"")


def chunked(parts):
    return b"".join(b"%x;note=1\r\n%b\r\n" % (len(part), part) for part in parts if part) + b"0\r\nTrailer: 1\r\n\r\n"


@st.composite
def answers(draw):
    """A valid answer: its bytes, and whether it says where it ends."""
    status = draw(st.sampled_from([200, 202, 204, 304, 400, 429, 503]))
    version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.0"]))
    parts = draw(st.lists(st.binary(max_size=2000), max_size=4))
    framing = draw(st.sampled_from(["length", "chunks", "close"]))
    headers = draw(
        st.lists(st.tuples(st.sampled_from(["Retry-After", "X-A", "x-b"]), st.from_regex(r"\A[!-~]{0,20}\Z")))
    )
    if status in (204, 304):
        parts, framing = [], "length"
    if version == "HTTP/1.0" and framing == "chunks":
        framing = "close"
    body = b"".join(parts)
    if framing == "length":
        headers.append(("Content-Length", str(len(body))))
    elif framing == "chunks":
        headers.append(("Transfer-Encoding", "chunked"))
        body = chunked(parts)
    connection = draw(st.sampled_from(["", "close", "keep-alive", "Keep-Alive, X"]))
    if connection:
        headers.append(("Connection", connection))
    lines = [f"{version} {status} Some Words", *(f"{name}: {value}" for name, value in headers), "", ""]
    before = b"HTTP/1.1 100 Continue\r\nX-A: no\r\n\r\n" if draw(st.booleans()) else b""
    return before + "\r\n".join(lines).encode() + body


@given(answers(), st.lists(st.integers(0, 4000), max_size=8))
def test_like_the_standard_library(data, cuts):
    """Status, header fields, body and whether the connection is kept are those that http.client finds."""
    places = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    pieces = [data[begin:end] for begin, end in pairwise(places)]
    expected = http.client.HTTPResponse(FromBytes(data), method="POST")
    expected.begin()
    answer = ask(*pieces)
    fields = {name.lower() for name in expected.headers}
    assert answer.status == expected.status
    assert answer.headers == {name: ", ".join(expected.headers.get_all(name)) for name in fields}
    kept = not expected.will_close
    assert answer.body == expected.read()
    assert answer.is_whole is kept


def test_requests_follow_each_other():
    """What came behind an answer belongs to the next one; each request tells its length."""
    wire = Pieces(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    exchange = Exchange(wire)
    first, second = exchange.request(HEAD, b"xyz"), exchange.request(HEAD, b"")
    assert (first.status, first.body, first.is_whole) == (200, b"ab", True)
    assert (second.status, second.body, second.is_whole) == (503, b"", True)
    assert wire.sent == HEAD + b"Content-Length: 3\r\n\r\nxyz" + HEAD + b"Content-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        b"HTTP/1.1 200 OK\n\nabc",
        b"HTTP/1.1 200\r\nno field\r\n : x\r\n\r\nabc",
    ],
)
def test_a_body_that_ends_badly(data):
    """The status counts all the same, with what came of the body; the connection is not used again."""
    answer = ask(data)
    assert (answer.status, answer.body, answer.is_whole) == (200, b"abc", False)


@pytest.mark.parametrize(
    "data",
    [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 20 No\r\n\r\n", b"HTTP/2 200\r\n\r\n", b"\r\n", b"x" * 2 * MAX_HEAD_BYTES],
)
def test_no_http(data):
    """What is no answer is refused."""
    with pytest.raises(BadAnswerError):
        ask(data)


def test_a_head_without_end():
    """Header fields, or the word that an answer will come, are read up to a bound."""
    field, word = b"X: " + b"x" * 1000 + b"\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"
    for data in (b"HTTP/1.1 200 OK\r\n" + field * 100, word * 5000):
        with pytest.raises(BadAnswerError, match="does not end"):
            ask(data)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nX: y\r\n"])
def test_hang_up(data):
    """A connection that ends before the answer's head is broken."""
    with pytest.raises(ConnectionResetError):
        ask(data)


@pytest.mark.parametrize("head", [b"Content-Length: 1000000", b"Connection: close", b"Transfer-Encoding: chunked"])
def test_a_long_body_is_cut(head):
    """Of a long body a bounded part is read, quickly, and the connection is not used again."""
    body = b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n0\r\n\r\n" if b"chunked" in head else b"x" * 1_000_000
    began = time.process_time()
    answer = ask(b"HTTP/1.1 400 Bad\r\n" + head + b"\r\n\r\n" + body)
    assert time.process_time() - began < 1
    assert len(answer.body) == (0 if b"chunked" in head else MAX_BODY_BYTES)
    assert not answer.is_whole
