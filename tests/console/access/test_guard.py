"""Who may ask a console."""

import http.client
import re
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
from clew_console.access.token import AccessError
from clew_console.cli import main
from clew_console.options import Options
from clew_console.running import RunningConsole

TOKEN = "a secret of some length"
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A console on all addresses, with a token."""
    options = Options("0.0.0.0", 0, 0, 0, tmp_path_factory.mktemp("guarded"), token=TOKEN)
    with RunningConsole(options) as running:
        yield running.addresses


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A console on all addresses, for everyone."""
    options = Options("0.0.0.0", 0, 0, 0, tmp_path_factory.mktemp("opened"), is_open=True)
    with RunningConsole(options) as running:
        yield running.addresses


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_other_addresses_need_a_token_or_a_word(host, tmp_path, capsys):
    """Off loopback the console does not start without a token, and says both ways out; a short token is refused."""
    assert main(["--host", host, "--data", str(tmp_path / "data")]) == 1
    said = capsys.readouterr().err
    assert "CLEW_CONSOLE_TOKEN" in said
    assert "--no-token" in said
    assert main(["--host", host, "--data", str(tmp_path / "data"), "--token", "short"]) == 1
    assert "shorter than 16" in capsys.readouterr().err
    with pytest.raises(AccessError):
        RunningConsole(Options(host, 0, 0, 0, tmp_path / "data"))
    assert not (tmp_path / "data").exists()


@pytest.fixture(scope="module")
def client():
    """A client for all tests: making one takes as long as many requests."""
    with httpx.Client(timeout=10) as made:
        yield made


@pytest.mark.parametrize("path", ["/", "/traces", "/api/search", "/runs", "/run/unnamed/export", "/nothing"])
def test_without_the_token_nothing_is_told(guarded, client, path):
    """Every address answers 401 to who has no token, another one, or half of it."""
    bearers = ["", "Bearer", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer \udcff"]
    for value in bearers:
        headers = [("authorization", value.encode("utf-8", "surrogateescape"))] if value else []
        answer = client.get(guarded.ui + path, headers=headers)
        assert (answer.status_code, "bearer" in answer.headers["www-authenticate"].lower()) == (401, True)
    assert client.get(guarded.ui + path, headers={"cookie": "clew_session=; x"}).status_code == 401


def test_a_bearer_may_read_and_send(guarded, client, make):
    """With the token as bearer the read API, OTLP/HTTP and OTLP/gRPC answer; without it neither of the receivers."""
    headers = {"authorization": f"bearer {TOKEN}"}
    body = make.traces(make.span()).SerializeToString()
    sending = {"content-type": "application/x-protobuf"}
    url = f"{guarded.otlp_http}/v1/traces"
    assert client.post(url, content=body, headers=sending).status_code == 401
    assert client.post(url, content=body, headers=sending | headers).status_code == 200
    assert client.get(f"{guarded.ui}/api/search", headers=headers).status_code == 200
    with grpc.insecure_channel(guarded.otlp_grpc.removeprefix("http://")) as channel:
        call = channel.unary_unary(EXPORT)
        assert call(body, timeout=5, metadata=[("authorization", f"Bearer {TOKEN}")]) == b""
        for metadata in ((), [("authorization", "Bearer no")], [("authorization", f"Bearer {TOKEN}")] * 2):
            with pytest.raises(grpc.RpcError) as raised:
                call(body, timeout=5, metadata=metadata)
            assert raised.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_the_address_of_the_start_opens_it_once(tmp_path):
    """The printed address gives one browser a cookie that scripts cannot read; a second use asks for the token."""
    with RunningConsole(Options(port=0, otlp_http_port=0, otlp_grpc_port=0, data=tmp_path, token=TOKEN)) as running:
        with httpx.Client(base_url=running.addresses.ui, follow_redirects=True) as browser:
            assert browser.get("/").status_code == 401
            answer = browser.get(running.addresses.login)
            assert (answer.status_code, str(answer.url)) == (200, f"{running.addresses.ui}/")
            cookie = answer.history[0].headers["set-cookie"]
            assert re.search("HttpOnly", cookie)
            assert re.search("SameSite=lax", cookie)
            assert TOKEN not in cookie
            assert browser.get("/api/search").status_code == 200
        again = httpx.get(running.addresses.login, headers={"accept": "text/html"})
        assert again.status_code == 401
        assert "was used" in again.text


def test_a_browser_is_asked_for_the_token(guarded):
    """A page without the token is a form for it, styled by the console's sheets; the right one opens it."""
    with httpx.Client(base_url=guarded.ui) as browser:
        page = browser.get("/traces", headers={"accept": "text/html"})
        assert (page.status_code, "<form" in page.text) == (401, True)
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert browser.get("/static/page.css").status_code == 200
        assert browser.post("/login", data={"token": "another one, also long"}).status_code == 401
        assert browser.post("/login", content=b"token=" + b"x" * 10_000).status_code == 401
        assert browser.post("/login", data={"token": TOKEN}).status_code == 303
        assert browser.get("/traces").status_code == 200


def test_that_it_runs_is_no_secret(guarded):
    """Health checks need no token."""
    assert httpx.get(f"{guarded.ui}/healthz").status_code == 200


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("127.0.0.1", 200),
        ("console", 200),
        ("192.0.2.7", 200),
        ("[2001:db8::1]:8700", 200),
        ("rebound.example", 403),
        ("127.0.0.1.rebound.example", 403),
        ("", 403),
    ],
)
def test_without_a_token_no_domain_leads_in(opened, name, code):
    """Open to everyone, the console still refuses what a stranger's page can point here: a name of a domain."""
    for url in (f"{opened.ui}/api/search", f"{opened.otlp_http}/v1/traces"):
        parts = urlsplit(url)
        connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=5)
        is_reading = parts.path == "/api/search"
        connection.putrequest("GET" if is_reading else "POST", parts.path, skip_host=True)
        connection.putheader("Host", name)
        for header, value in (("Content-Type", "application/json"), ("Content-Length", "2")):
            if not is_reading:
                connection.putheader(header, value)
        connection.endheaders(None if is_reading else b"{}")
        assert connection.getresponse().status == code
        connection.close()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:{port}", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_pages_of_other_sites_send_nothing(console, headers, code):
    """OTLP and imports from a page of another origin are refused on loopback too; programs send no Origin."""
    for url, body in ((f"{console.otlp}/v1/traces", b"{}"), (f"{console.ui}/runs/import", b"")):
        own = {name: value.format(port=urlsplit(url).port) for name, value in headers.items()}
        answer = console.http.post(url, content=body, headers=JSON | own)
        assert answer.status_code == (415 if code == 200 and url.endswith("import") else code)


def test_no_answer_allows_another_origin(console):
    """Nothing here may be read by a page of another origin, and preflight requests are not granted."""
    for method, url in (("GET", f"{console.ui}/api/search"), ("OPTIONS", f"{console.otlp}/v1/traces")):
        answer = console.http.request(method, url, headers={"origin": "https://evil.example"})
        assert [name for name in answer.headers if name.startswith("access-control-")] == []
    assert console.get("/api/search").headers["cross-origin-resource-policy"] == "same-origin"
