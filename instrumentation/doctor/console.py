"""Clew's console, which keeps all three signals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from instrumentation.backend import Backend
from instrumentation.doctor.report import Finding
from instrumentation.doctor.request import INSTANCE, SERVICE, Marked
from instrumentation.doctor.stack import Stack
from instrumentation.doctor.stack_causes import SPAN_KEYS, skew
from instrumentation.doctor.walk import FoundSpan

DURATION = "http.server.request.duration"


@dataclass(frozen=True, slots=True)
class Console:
    """The target of `clew doctor --console`."""

    backend: Backend

    def series(self, marked: Marked) -> Mapping[str, str] | None:
        """Return the labels of the request's point."""
        points = self._ask("points")
        own = [one for one in points if one["resource"].get(INSTANCE.replace(".", "_")) == marked.instance]
        return {"service_name": SERVICE} if own else None

    def exemplar(self, marked: Marked) -> str:
        """Return the trace id of the exemplar."""
        return next((one["trace_id"] for one in self._ask("exemplars") if one["trace_id"] == marked.trace_id), "")

    def spans(self, marked: Marked) -> Sequence[FoundSpan]:
        """Return the spans of the trace."""
        return self._as_stack().spans(marked)

    def lines(self, marked: Marked) -> Sequence[Mapping[str, str]]:
        """Return the labels of the trace's lines."""
        return self._as_stack().lines(marked)

    def counted(self, span: FoundSpan) -> float:
        """Return the count of requests of the span's service, method and status."""
        wanted = [str(span.attributes.get(key)) for key in SPAN_KEYS]
        return sum(
            one["count"] for one in self._ask("points") if [str(one["attributes"].get(k)) for k in SPAN_KEYS] == wanted
        )

    def why(self, hop: str, marked: Marked) -> Finding | None:
        """Find the cause of a broken hop."""
        del hop, marked
        return skew(self.backend)

    def _as_stack(self) -> Stack:
        """The console has the read APIs of Tempo and Loki."""
        return Stack(self.backend, self.backend, self.backend, self.backend)

    def _ask(self, what: str) -> Sequence[Any]:
        return self.backend.json(f"/api/metrics/{what}", name=DURATION, service=SERVICE, limit=1000)[what]
