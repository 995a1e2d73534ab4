"""Values that a service may hand to a public call by mistake, or a stranger by intent."""

import datetime
import decimal
import enum
from collections.abc import Mapping

from hypothesis import strategies as st

ANY_TEXT = st.text(st.characters(), max_size=40)
"""Every code point: NUL, controls, ESC, U+2028, lone surrogates."""


class Raising:
    """Raises whatever is asked of it."""

    def __str__(self):
        raise ValueError("no text")

    __repr__ = __hash__ = __eq__ = __bool__ = __len__ = __iter__ = __format__ = __int__ = __float__ = __str__


class Recursing:
    """Has itself in its own text."""

    def __str__(self):
        return str(self)

    __repr__ = __str__


class RaisingMapping(Mapping):
    """A mapping that breaks while it is read."""

    def __getitem__(self, key):
        raise KeyError(key)

    def __iter__(self):
        yield "first"
        raise RuntimeError("no more")

    def __len__(self):
        return 2


class RaisingText(str):
    """A text whose methods raise."""

    __slots__ = ()

    def encode(self, *_):
        raise UnicodeError("not today")

    __str__ = __len__ = encode


class LyingInt(int):
    """An integer that will not be told."""

    __slots__ = ()

    def __str__(self):
        raise OverflowError("too large")

    __repr__ = __index__ = __str__


class Colour(enum.Enum):
    """A member of which is no value that OTLP knows."""

    RED = "red"


def cyclic():
    """Return a list and a mapping that hold themselves."""
    items = []
    items.append({"again": items})
    return items


def deep():
    """Return lists in lists."""
    value = "deepest"
    for _ in range(200):
        value = [value]
    return value


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**63, max_value=2**70)
    | st.floats()
    | ANY_TEXT
    | st.binary(max_size=40)
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
"""What OTLP has a shape for."""


class Named:
    """A hostile value, behind a name: hypothesis tells of what it tries, which some of these would not bear."""

    def __init__(self, name, make):
        self.name = name
        self.make = make

    def __repr__(self):
        return self.name


NAMED = {
    "raising": Raising,
    "recursing": Recursing,
    "a mapping that raises": RaisingMapping,
    "a text that raises": lambda: RaisingText("x"),
    "an int that raises": lambda: LyingInt(7),
    "enum": lambda: Colour.RED,
    "cyclic": cyclic,
    "deep": deep,
    "object": object,
    "class": lambda: Raising,
    "decimal": lambda: decimal.Decimal("NaN"),
    "date": lambda: datetime.datetime(2038, 1, 19, tzinfo=datetime.UTC),
    "large": lambda: 10**5000,
    "small": lambda: -(10**5000),
    "10 MB of text": lambda: "x" * 10_000_000,
    "10 MB of bytes": lambda: b"x" * 10_000_000,
    "set": lambda: {"set": {1, "two", None}},
    "keys of all kinds": lambda: {None: 1, 2: 3, (4,): 5},
    "exception": lambda: ValueError(Raising()),
    "iterator": lambda: iter((1, 2)),
    "range": lambda: range(10**12),
    "NaN": lambda: float("nan"),
    "infinite": lambda: float("-inf"),
    "complex": lambda: complex(1, 2),
    "surrogate": lambda: "\ud800",
    "controls": lambda: "a\x00\r\n\x1b[31m\u2028\x7f\x85",
}
HOSTILE = st.sampled_from([Named(name, make) for name, make in NAMED.items()])
ANYTHING = PLAIN | HOSTILE


def unnamed(value):
    """Return a hostile value itself, and any other as it is."""
    return value.make() if isinstance(value, Named) else value
