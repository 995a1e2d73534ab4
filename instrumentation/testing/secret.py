"""Secrets in telemetry: look for what credentials look like, and for those that the test knows."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from instrumentation.redaction import is_secret_key
from instrumentation.testing.texts import Text

SECRETS: Mapping[str, re.Pattern[str]] = {
    "authorization header": re.compile(r"\b(?:bearer|basic)\s+[A-Za-z0-9+/_.~=-]{8,}", re.IGNORECASE),
    "JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*"),
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "password in a URL": re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:(?!\*+@|REDACTED@)[^\s/@]+@", re.IGNORECASE),
    "secret in a query or form": re.compile(
        r"(?:^|[?&;,\s\"'])(?:access_token|api[_-]?key|client_secret|id_token|passwd|password|refresh_token|secret|token)"
        r"[\"']?\s*[=:]\s*[\"']?(?!\*{3}|REDACTED|\[|<)[^\s&;,\"']{4,}",
        re.IGNORECASE,
    ),
    "AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "GitHub token": re.compile(r"\b(?:gh[opusr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
    "Slack token": re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    "Google API key": re.compile(r"\bAIza[A-Za-z0-9_-]{35}"),
    "Stripe key": re.compile(r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}"),
}
"""What `assert_no_secrets` looks for by default, by name."""
CARD = "payment card number"
KEY = "value of a secret's name"

_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])")
_REDACTED = re.compile(r"\W*(?:\*+|redacted|none|true|false)?\W*", re.IGNORECASE)


def assert_no_secrets(texts: Iterable[Text], *secrets: str | re.Pattern[str], allow: Collection[str] = ()) -> None:
    """Check that no text holds a secret.

    Besides `SECRETS` these count: payment card numbers whose check digit is right, and values of attributes whose name
    says that they are secret, such as `password`, unless they are redacted.

    Args:
        texts: Of all signals; `Captured.assert_no_secrets` gives them.
        secrets: Texts that must not occur, and patterns that must not be found; at least 4 characters each.
        allow: Names in `SECRETS`, or texts, that do not count.

    Raises:
        AssertionError: there are some; tells of each where it is, with all but its first characters hidden.
        ValueError: a secret is shorter than 4 characters, so that it would be found anywhere.
    """
    patterns = {name: pattern for name, pattern in SECRETS.items() if name not in allow}
    for number, secret in enumerate(secrets, 1):
        if isinstance(secret, str) and len(secret) < 4:
            raise ValueError(f"a secret of {len(secret)} characters is found anywhere; 4 is the least")
        is_text = isinstance(secret, str)
        name = f"secret {number} of the test" if is_text else f"pattern {secret.pattern}"
        patterns[name] = re.compile(re.escape(secret)) if isinstance(secret, str) else secret
    leaks = dict.fromkeys(leak for text in texts for leak in _leaks(text, patterns, allow))
    if leaks:
        raise AssertionError("\n  ".join([f"{len(leaks)} secrets in telemetry:", *leaks]))


def _leaks(text: Text, patterns: Mapping[str, re.Pattern[str]], allow: Collection[str]) -> Iterator[str]:
    for name, pattern in patterns.items():
        found = pattern.search(text.text)
        if found is not None and found.group() not in allow and text.text not in allow:
            yield f"{name} in {text.where}: {_hidden(found.group())}"
    if CARD not in allow:
        for found in _CARD.finditer(text.text):
            if _is_card(found.group()) and found.group() not in allow:
                yield f"{CARD} in {text.where}: {_hidden(found.group())}"
    is_plain = _REDACTED.fullmatch(text.text) is None and text.text not in allow
    if KEY not in allow and is_plain and is_secret_key(text.key):
        yield f"{KEY} in {text.where}: {_hidden(text.text)}"


def _hidden(secret: str) -> str:
    """Show so little of a secret that the report of a test may be public."""
    shown = min(4, len(secret) // 4)
    return f"{secret[:shown]!r}… ({len(secret)} characters)"


def _is_card(text: str) -> bool:
    """Tell whether the check digit is right, by Luhn's rule, and the first digit one that card networks have."""
    digits = [int(digit) for digit in text if digit.isdigit()]
    doubled = [digit if place % 2 == 0 else sum(divmod(2 * digit, 10)) for place, digit in enumerate(reversed(digits))]
    return digits[0] in (2, 3, 4, 5, 6) and sum(doubled) % 10 == 0
