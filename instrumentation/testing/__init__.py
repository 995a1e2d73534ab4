"""Test a service's own telemetry: what it emits, through the real pipeline and encoder, decoded.

In pytest the fixture `clew` is a `Captured`; elsewhere `capture()` makes one. The assertions raise AssertionError with
what was expected, what there is, and what usually causes the difference.
"""

from instrumentation.testing.captured import Captured
from instrumentation.testing.cardinality import assert_low_cardinality
from instrumentation.testing.clock import Clock
from instrumentation.testing.golden import Golden
from instrumentation.testing.link import assert_linked, assert_logs_linked
from instrumentation.testing.records import Event, Exemplar, Link, LogRecord, Point, Span
from instrumentation.testing.scope import capture
from instrumentation.testing.secret import SECRETS, assert_no_secrets
from instrumentation.testing.shape import assert_trace, shape_of

__all__ = [
    "SECRETS",
    "Captured",
    "Clock",
    "Event",
    "Exemplar",
    "Golden",
    "Link",
    "LogRecord",
    "Point",
    "Span",
    "assert_linked",
    "assert_logs_linked",
    "assert_low_cardinality",
    "assert_no_secrets",
    "assert_trace",
    "capture",
    "shape_of",
]
