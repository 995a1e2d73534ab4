"""Read one environment variable's text the way the OpenTelemetry specification says.

A kind knows the values a setting takes: `parse` reads text, `check` judges a value given in code. Both raise
`ValueError` (`check` also `TypeError`) with a message that completes the sentence "... is not". The caller decides
between falling back and raising.
Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast
from urllib.parse import unquote, urlsplit

_TOKEN_MARKS = frozenset("!#$%&'*+-.^_`|~")
_DECIMAL = frozenset("0123456789+-.eE")
"""What a decimal number is written with. `float` takes more: `1_000`, `nan`, `inf`."""


class Kind(Protocol):
    """The values one setting takes."""

    @property
    def expected(self) -> str:
        """What a valid value is, as a noun phrase."""
        ...

    def parse(self, text: str) -> object:
        """Read `text`, which is stripped and not empty."""
        ...

    def check(self, value: object) -> object:
        """Return `value`, normalised, if code may set it."""
        ...


class Text:
    """Any text."""

    expected = "a text"

    def parse(self, text: str) -> str:
        """Return `text` as it is."""
        return text

    def check(self, value: object) -> str:
        """Accept a str that is not blank."""
        if not isinstance(value, str):
            raise TypeError(self.expected)
        if not value.strip():
            raise ValueError(self.expected)
        return value


class File(Text):
    """The path of a file, which may turn up later: a secret is often mounted after the start."""

    expected = "the path of a readable file"

    def unreadable(self, path: str) -> str:
        """Return why the file cannot be read now; empty if it can."""
        try:
            with Path(path).open("rb"):
                return ""
        except OSError as error:
            return error.strerror or type(error).__name__
        except ValueError as error:  # a null byte in the path
            return str(error)


class Flag:
    """A boolean: only `true`, in any case, is true."""

    expected = "true or false"

    def parse(self, text: str) -> bool:
        """Read `true` or `false`, in any case."""
        lowered = text.lower()
        if lowered not in {"true", "false"}:
            raise ValueError(self.expected)
        return lowered == "true"

    def check(self, value: object) -> bool:
        """Accept a bool."""
        if not isinstance(value, bool):
            raise TypeError(self.expected)
        return value


class Number:
    """A number in the setting's unit.

    Args:
        minimum: Least value, in the setting's unit.
        maximum: Greatest value, in the setting's unit.
        whole: Whether it is an int.
        per_unit: What the variable's text is divided by: 1000 for a variable in milliseconds and a setting in seconds.
    """

    def __init__(self, minimum: float, maximum: float, *, whole: bool = False, per_unit: int = 1) -> None:
        self._minimum = minimum
        self._maximum = maximum
        self._whole = whole
        self._per_unit = per_unit

    @property
    def expected(self) -> str:
        """The range, in the variable's unit."""
        noun = "a whole number" if self._whole else "a number"
        return f"{noun} from {self._minimum * self._per_unit:.15g} to {self._maximum * self._per_unit:.15g}"

    def parse(self, text: str) -> int | float:
        """Read a decimal number; `1_000`, `nan` and `inf` are none."""
        try:
            number = float(text)
        except ValueError:
            raise ValueError(self.expected) from None
        if not _DECIMAL.issuperset(text):
            raise ValueError(self.expected)
        if not self._whole:
            return self._within(number / self._per_unit)
        if not number.is_integer():
            raise ValueError(self.expected)
        return self._within(int(number))

    def check(self, value: object) -> int | float:
        """Accept an int, and a float where the setting is not whole."""
        if isinstance(value, bool) or not isinstance(value, int if self._whole else (int, float)):
            raise TypeError(self.expected)
        return self._within(value)

    def _within(self, number: float) -> int | float:
        if not self._minimum <= number <= self._maximum:
            raise ValueError(self.expected)
        return number


class Choice:
    """One of a few names, in any case."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    @property
    def expected(self) -> str:
        """The names."""
        return "one of " + ", ".join(self.names)

    def parse(self, text: str) -> str:
        """Read a name, in any case."""
        lowered = text.lower()
        if lowered not in self.names:
            raise ValueError(self.expected)
        return lowered

    def check(self, value: object) -> str:
        """Accept a str that names one."""
        if not isinstance(value, str):
            raise TypeError(self.expected)
        return self.parse(value)


class Names:
    """A comma list of names, each once; `none` by itself is the empty list. Without `known`, any name goes."""

    def __init__(self, known: tuple[str, ...] = ()) -> None:
        self._known = known

    @property
    def expected(self) -> str:
        """The names a list may hold."""
        return f"a comma list of {', '.join(self._known)} or none" if self._known else "a comma list of names or none"

    def parse(self, text: str) -> tuple[str, ...]:
        """Read names, in any case."""
        return self._judge([name.strip().lower() for name in text.split(",") if name.strip()])

    def check(self, value: object) -> tuple[str, ...]:
        """Accept a comma list or a sequence of str."""
        if isinstance(value, str):
            return self.parse(value)
        if not isinstance(value, Sequence):
            raise TypeError(self.expected)
        names = cast("Sequence[object]", value)
        return self._judge([str(name).lower() for name in names])

    def _judge(self, names: list[str]) -> tuple[str, ...]:
        if names == ["none"]:
            return ()
        if "none" in names or (self._known and not set(names) <= set(self._known)):
            raise ValueError(self.expected)
        return tuple(dict.fromkeys(names))


class Pairs:
    """A comma list of `key=value`, percent-encoded. With `headers`, what an HTTP header can carry and nothing else."""

    def __init__(self, *, headers: bool = False) -> None:
        self._headers = headers

    @property
    def expected(self) -> str:
        """The form of the list."""
        return "a comma list of percent-encoded " + ("HTTP headers, name=value" if self._headers else "key=value")

    def parse(self, text: str) -> Mapping[str, str]:
        """Read pairs; spaces around keys and values do not count. One bad pair makes the whole bad."""
        pairs: dict[str, str] = {}
        for pair in filter(None, (part.strip() for part in text.split(","))):
            key, separator, value = pair.partition("=")
            if not separator or not key.strip():
                raise ValueError(self.expected)
            pairs[self._decode(key)] = self._decode(value)
        return self._judge(pairs)

    def check(self, value: object) -> Mapping[str, str]:
        """Accept a mapping of str to str, not percent-encoded."""
        if not isinstance(value, Mapping):
            raise TypeError(self.expected)
        mapping = cast("Mapping[object, object]", value)
        return self._judge({str(key): str(item) for key, item in mapping.items()})

    def _decode(self, text: str) -> str:
        try:
            return unquote(text.strip(), errors="strict").strip()
        except UnicodeDecodeError:
            raise ValueError(self.expected) from None

    def _judge(self, pairs: dict[str, str]) -> Mapping[str, str]:
        if self._headers and not all(_is_token(name) and _is_field_value(value) for name, value in pairs.items()):
            raise ValueError(self.expected)
        return pairs


class Url:
    """An http or https URL; with `bare`, also `host:port` as gRPC has it."""

    def __init__(self, *, bare: bool = False) -> None:
        self._bare = bare

    @property
    def expected(self) -> str:
        """The form of the URL."""
        return "an http:// or https:// URL with a host" + (", or host:port" if self._bare else "")

    def parse(self, text: str) -> str:
        """Read a URL whose host and port can be told."""
        bare = self._bare and "://" not in text
        try:
            parts = urlsplit(f"//{text}" if bare else text)
            schemes = {""} if bare else {"http", "https"}
            valid = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0 and text.isascii()
            valid = valid and not (bare and parts.port is None)
        except ValueError:  # urlsplit's own words on ports and brackets
            valid = False
        if not valid or any(character.isspace() for character in text):
            raise ValueError(self.expected)
        return text

    def check(self, value: object) -> str:
        """Accept a str that is such a URL."""
        if not isinstance(value, str):
            raise TypeError(self.expected)
        return self.parse(value)


def _is_token(text: str) -> bool:
    """Tell whether a text can be the name of an HTTP header."""
    return text != "" and all((each.isascii() and each.isalnum()) or each in _TOKEN_MARKS for each in text)


def _is_field_value(text: str) -> bool:
    """Tell whether a text can be the value of an HTTP header: printable ASCII and tabs."""
    return text.isascii() and text.replace("\t", " ").isprintable()
