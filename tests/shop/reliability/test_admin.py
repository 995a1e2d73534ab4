import http.client
import json
import threading
from typing import Any

import pytest
from shop.ports import free_ports
from shop.reliability.admin import MAX_BODY_BYTES, Admin, door

TOKEN = "a-token-of-the-test"


class Lamps:
    """A board with one entry, `desk`, that takes a whole number."""

    def __init__(self) -> None:
        self.entries: dict[str, int] = {}

    def read(self) -> dict[str, int]:
        return self.entries

    def put(self, name: str, value: dict[str, Any]) -> None:
        self.remove(name)
        if value["watts"] < 0:
            raise ValueError("watts must not be negative")
        self.entries[name] = value["watts"]

    def remove(self, name: str) -> None:
        if name != "desk":
            raise KeyError(name)
        self.entries.pop(name, None)


@pytest.fixture
async def ask():
    """Ask an open door; the event loop stands still meanwhile, which it must not mind."""
    (port,) = free_ports(1)

    def send(method: str, path: str, body: object = None, token: str = TOKEN) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        data = None if body is None else json.dumps(body)
        connection.request(method, path, data, {"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        result = answer.status, json.loads(answer.read())
        connection.close()
        return result

    async with door(Admin(port, TOKEN), {"lamps": Lamps()}):
        yield send
    with pytest.raises(ConnectionRefusedError):
        send("GET", "/lamps")


async def test_entries_are_read_set_and_taken_away(ask):
    """What is put is there, until it is removed."""
    assert ask("GET", "/lamps") == (200, {})
    assert ask("PUT", "/lamps/desk", {"watts": 5}) == (200, {"desk": 5})
    assert ask("GET", "/lamps") == (200, {"desk": 5})
    assert ask("DELETE", "/lamps/desk") == (200, {})


async def test_without_the_token_nothing_is_told_or_changed(ask):
    """A wrong token gets 401 whatever it asks for."""
    assert ask("PUT", "/lamps/desk", {"watts": 5}, token="another-token-0123")[0] == 401
    assert ask("GET", "/nothing", token="")[0] == 401
    assert ask("GET", "/lamps") == (200, {})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/nothing", None, 404, "/lamps"),
        ("PUT", "/lamps", {}, 404, "/lamps"),
        ("PUT", "/lamps/attic", {"watts": 5}, 404, "attic"),
        ("DELETE", "/lamps/attic", None, 404, "attic"),
        ("PUT", "/lamps/desk", {"watts": -1}, 422, "negative"),
        ("PUT", "/lamps/desk", [1], 422, "JSON object"),
        ("PUT", "/lamps/desk", {"watts": "x" * MAX_BODY_BYTES}, 422, "more than"),
    ],
)
async def test_what_cannot_be_done_is_said(ask, method, path, body, status, words):
    """The answer names what there is, or what is wrong."""
    got, answer = ask(method, path, body)
    assert got == status
    assert words in answer["error"]


async def test_there_is_no_door_unless_a_port_is_set():
    """By default no thread is started."""
    before = threading.active_count()
    async with door(Admin.read({}), {"lamps": Lamps()}):
        assert threading.active_count() == before


@pytest.mark.parametrize("token", ["", "short"])
def test_a_port_without_a_token_is_refused(token):
    """Nobody gets a door that is open to all by mistake."""
    with pytest.raises(ValueError, match="ADMIN_PORT=9000 needs ADMIN_TOKEN"):
        Admin.read({"ADMIN_PORT": "9000", "ADMIN_TOKEN": token})
