"""Queries and addresses that links lead to."""

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from clew_console.store.resource import label_name
from clew_console.store.value import Value, plain_text
from clew_console.web.time_range import Period

ALL_SERVICES = '{service_name=~".+"}'

_NUMBER = re.compile(r"-?\d{1,15}(\.\d+)?")
_PLAIN_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/:.")


def address(path: str, period: Period, parameters: Mapping[str, str] | None = None) -> str:
    """Return a page's address for the same time."""
    return f"{path}?{urlencode({**(parameters or {}), **period.parameters})}"


def quoted(text: str) -> str:
    """Return a string literal of TraceQL and LogQL."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def traceql_attribute(scope: str, key: str) -> str:
    """Return the left side that stands for an attribute; a key with other characters is quoted."""
    is_plain = key and set(key) <= _PLAIN_KEY and all(key.split("."))
    return f"{scope}.{key if is_plain else quoted(key)}"


def traceql_comparison(scope: str, key: str, value: Value) -> str:
    """Return `scope.key = value` with the value as its type is written; "" for one TraceQL cannot name."""
    left = traceql_attribute(scope, key)
    if isinstance(value, bool):
        return f"{left} = {'true' if value else 'false'}"
    if isinstance(value, int):
        return f"{left} = {value}"
    if isinstance(value, float):
        return f"{left} = {value!r}" if value == value and abs(value) != float("inf") else ""  # noqa: PLR0124 - NaN
    return f"{left} = {quoted(value)}" if isinstance(value, str) else ""


def guessed_literal(text: str, *, is_text: bool = False) -> str:
    """Return the TraceQL literal of a value known as text only: a number or bool where it looks like one."""
    if not is_text and (_NUMBER.fullmatch(text) or text in {"true", "false"}):
        return text
    return quoted(text)


def joined(*conditions: str) -> str:
    """Return the spanset of all conditions."""
    return "{ " + " && ".join(one for one in conditions if one) + " }"


def of_service(service: str) -> str:
    """Return the condition on a service."""
    return f"resource.service.name = {quoted(service)}"


def logs_of_service(service: str) -> str:
    """Return the LogQL selector of a service."""
    return f"{{service_name={quoted(service)}}}"


def logs_with_label(query: str, label: str, value: Value) -> str:
    """Return the LogQL query narrowed to lines with this label."""
    return f"{query or ALL_SERVICES} | {label_name(label)}={quoted(plain_text(value))}"
