"""What is taken for a secret, and what is not."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrumentation import redaction
from instrumentation.redaction import REDACTED, attribute, attributes, redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdef123456789", f"Authorization: {REDACTED}"),
        ("sent Bearer abcdef123456789 twice", f"sent Bearer {REDACTED} twice"),
        ("basic dXNlcjpwYXNzd29yZA== refused", f"basic {REDACTED} refused"),
        ("{'authorization': 'x y', 'cookie': 'a=b; c=d', 'x': 'y'}", None),
        ("Cookie: session=abc; theme=dark\nAccept: */*", f"Cookie: {REDACTED}\nAccept: */*"),
        ("GET https://ann:hunter2@shop.example/orders", f"GET https://{REDACTED}@shop.example/orders"),
        ("connect to postgresql://ann:hunter2@db/shop", f"connect to postgresql://{REDACTED}@db/shop"),
        ("for url 'http://x:80/items?coupon=abc'", f"for url 'http://x:80/items?{REDACTED}'"),
        ("https://ann:p@x/?q=1 and more", f"https://{REDACTED}@x/?{REDACTED} and more"),
        ("login failed: password = 'swordfish', twice", f"login failed: password = '{REDACTED}', twice"),
        ("password=hunter2&page=2", f"password={REDACTED}&page=2"),
        ('{"api_key": "abc", "page": 2}', f'{{"api_key": "{REDACTED}", "page": 2}}'),
        ("open(token=abc)", f"open(token={REDACTED})"),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", f"got {REDACTED}"),
        ("no such key sk_live_51Habcdef", f"no such key {REDACTED}"),
        ("AKIAIOSFODNN7EXAMPLE expired", f"{REDACTED} expired"),
        (f"push with ghp_{'a' * 36}", f"push with {REDACTED}"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- read", f"{REDACTED} read"),
        (
            "UNIQUE failed\n[SQL: INSERT INTO users VALUES ('ann', 5, ?)]\n[parameters: ('ann', 'hunter2')]\n(more)",
            f"UNIQUE failed\n[SQL: INSERT INTO users VALUES (?, ?, ?)]\n[parameters: {REDACTED}\n(more)",
        ),
        ("DETAIL:  Key (email)=(ann@x.y) already exists.", f"DETAIL:  Key (email)=({REDACTED}) already exists."),
        ("Failing row contains (1, ann, hunter2).", f"Failing row contains ({REDACTED})."),
    ],
)
def test_credentials_are_taken_out_of_text(text, shown):
    """What looks like a credential goes, and what is around it stays."""
    assert redacted(text) == (
        f"{{'authorization': '{REDACTED}', 'cookie': '{REDACTED}', 'x': 'y'}}" if shown is None else shown
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "card declined",
        "basic authentication failed",
        "tokenizer: bpe",
        "input_tokens: 912",
        "GET /basic/products 200",
        "token = get_token(user)",
        "7c9e6679-7425-40de-944b-e07fc1f90afe",
        "2026-11-28T13:00:00Z",
        "http://shop.example:8000/orders/7",
        "is it so? see http://x/",
        "KeyError: 'sku'",
        "key: value, monkey=3",
        "Basic products for everybody",
        "the secret is out",
    ],
)
def test_other_text_is_the_same_object(text):
    """What is no credential is not even copied."""
    assert redacted(text) is text


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "db.password",
        "user.api_key",
        "http.request.header.cookie",
        "session_token",
        "Authorization",
        "X-Api-Key",
        "client_secret",
    ],
)
@pytest.mark.parametrize("value", ["opensesame", 1234, b"opensesame", ["opensesame"], {"a": "opensesame"}])
def test_the_name_of_an_attribute_tells(key, value):
    """Whatever its type, the value of an attribute with such a name is not shown."""
    assert attribute(key, value) == REDACTED


@pytest.mark.parametrize(
    ("key", "value", "shown"),
    [
        ("http.target", "/orders?coupon=abc", "/orders"),
        ("http.url", "http://x/orders?coupon=abc", "http://x/orders"),
        ("url.query", "coupon=abc", REDACTED),
        ("db.statement", "SELECT * FROM t1 WHERE a = 'x''y' AND b = 12", "SELECT * FROM t1 WHERE a = ? AND b = ?"),
        ("gen_ai.usage.input_tokens", 912, 912),
        ("is_token", None, None),
        ("has_password", True, True),
        ("tokenizer", "bpe", "bpe"),
        (
            "headers",
            {"Cookie": "a", "list": ["password=b", 1, ("eyJhbGciOi.eyJzdWIi.x",)]},
            {"Cookie": REDACTED, "list": [f"password={REDACTED}", 1, [REDACTED]]},
        ),
        ("raw", b"password=b", f"password={REDACTED}"),
    ],
)
def test_attributes(key, value, shown):
    """URLs lose their query, statements their literals, mappings and lists the secrets within them."""
    assert attribute(key, value) == shown


def test_a_mapping_without_secrets_is_the_same_object():
    """The usual attributes are not copied."""
    usual = {"order_id": "7c9e", "amount": 12, "paid": True}
    assert attributes(usual) is usual
    assert attributes({**usual, "token": "abc"}) == {**usual, "token": REDACTED}


class Hostile:
    """Its text cannot be had."""

    def __str__(self):
        raise RuntimeError("no")


@given(
    st.text() | st.binary() | st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_nothing_raises(value):
    """No value makes it raise, and a second look finds nothing more."""
    for key in ("said", "password", "http.url", "db.statement", 7):
        shown = attribute(key, value)
        assert attribute(key, shown) == shown


def test_hostile_values():
    """What raises is hidden; what holds itself is looked at so far only."""
    ring = []
    ring.extend([ring, ring, "password=abc"])
    start = time.perf_counter()
    shown = attribute("ring", ring)
    assert time.perf_counter() - start < 1
    assert attribute("x", Hostile()) == REDACTED
    assert shown[2] in (f"password={REDACTED}", REDACTED)


@pytest.mark.parametrize(
    "piece",
    [
        "://",
        "://a:",
        "token",
        "token ",
        "Key (",
        "Key (a)=(",
        "bearer ",
        "eyJaaaaaa.",
        "cookie:",
        "[SQL: '",
        "a.a-",
        "'",
        "-----BEGIN PRIVATE KEY-----",
        "basic a",
        "password=",
        "\\x",
    ],
)
def test_no_text_takes_long(piece):
    """A text made to be looked at for long takes a few milliseconds, as any other of its length."""
    text = (piece * 2000)[: redaction.MAX_CHARACTERS - 9] + ":token=://"
    start = time.process_time()
    redacted(text)
    attribute("db.statement", text)
    assert time.process_time() - start < 0.5
