"""What stands for a span while the SDK is disabled: the caller's identity, which goes on unchanged.

So does a no-op implementation of the API: a span started by it has the context of its parent.
Source: https://opentelemetry.io/docs/specs/otel/trace/api/#behavior-of-the-api-in-the-absence-of-an-installed-sdk
"""

from typing import Any

from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, SpanKind
from opentelemetry.util.types import Attributes
from typing_extensions import override

from instrumentation.context import Parent, as_span_context
from instrumentation.signals.span import Tracer, TracerProvider


class PassedSpan(NonRecordingSpan):
    """Records nothing, under the names that integrations use of the kit's spans.

    Attributes:
        request_id: Request ID that came along, empty if none did.
        sampled: Never: nothing is recorded here, whatever the caller does.
    """

    sampled = False

    def __init__(self, parent: Parent | None) -> None:
        super().__init__(INVALID_SPAN_CONTEXT if parent is None else as_span_context(parent))
        self.request_id = "" if parent is None else parent.request_id
        self._parent = parent

    def as_parent(self) -> Parent | None:
        """Return the caller's identity, whole: the API's object cannot hold each `tracestate`."""
        return None if self._parent is None else self._parent._replace(request_id=self.request_id)

    def fail(self, exception: BaseException) -> None:
        """Record nothing."""

    def elapsed_ns(self) -> int:
        """Measure nothing."""
        return 0


class PassingTracer(Tracer):
    """Starts spans that stand for their parent."""

    @override
    def start(self, name: str, kind: SpanKind, parent: Parent | None, start_ns: int | None = None) -> Any:
        return PassedSpan(parent)


class PassingTracers(TracerProvider):
    """Makes such tracers."""

    @override
    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Tracer:
        return PassingTracer(self, b"")
