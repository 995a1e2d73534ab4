"""A log line as a page shows it."""

import zlib
from dataclasses import dataclass

from clew_console.search.logs import LogLine

SHOWN_FIELDS = 5
MAX_FIELD_CHARACTERS = 80

_COMMON = frozenset(
    {"scope_name", "trace_id", "span_id", "request_id", "detected_level", "exception_stacktrace", "severity_number"}
)
_COMMON_STARTS = ("service_", "telemetry_", "process_", "host_", "severity_", "code_", "thread_", "deployment_", "os_")
_ACCESS = frozenset({"http_request_method", "http_route", "http_response_status_code", "url_path", "client_address"})


@dataclass(frozen=True, slots=True)
class LogRow:
    """A line with what is told beside its text. `key` makes its element's id unique among lines of one time."""

    time_ns: int
    level: str
    service: str
    body: str
    labels: dict[str, str]
    own: list[tuple[str, str]]
    key: str
    is_target: bool = False


def log_row(line: LogLine, target_ns: int | None = None) -> LogRow:
    """Return the row; `target_ns` is the time of the line the page is about."""
    own = [(key, value[:MAX_FIELD_CHARACTERS]) for key, value in sorted(line.labels.items()) if _is_own(key, line)]
    key = f"{zlib.crc32(f'{line.body}{line.labels}'.encode()):08x}"
    return LogRow(
        line.time_ns, line.level, line.service, line.body, line.labels, own[:SHOWN_FIELDS], key,
        line.time_ns == target_ns,
    )  # fmt: skip


def _is_own(key: str, line: LogLine) -> bool:
    """Tell what this line says from what every line of its process or request says."""
    if key in _COMMON or key.startswith(_COMMON_STARTS):
        return False
    return not (key in _ACCESS and line.labels[key] in line.body)
