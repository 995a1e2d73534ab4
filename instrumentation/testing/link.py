"""Whether logs, spans and exemplars lead to each other, as a person follows them from panel to trace to line."""

from collections.abc import Collection, Iterable

from instrumentation.testing.records import Exemplar, LogRecord, Point, Span


def assert_linked(log: LogRecord, span: Span, exemplar: Exemplar | Point | None = None) -> None:
    """Check that a log record belongs to a span, and that an exemplar leads to its trace.

    Args:
        log: As captured.
        span: As captured.
        exemplar: Of a metric, or the point with exemplars of which one must lead to the trace; None: is not looked at.

    Raises:
        AssertionError: they are not linked; tells the ids of both sides.
    """
    if not log.trace_id:
        raise AssertionError(
            f"log {log.event!r} of {log.logger} has no trace_id and no span_id: it was written outside of any span."
            f" Expected those of {_name(span)}"
        )
    if (log.trace_id, log.span_id) != (span.trace_id, span.span_id):
        raise AssertionError(
            f"log {log.event!r} of {log.logger} belongs to trace {log.trace_id}, span {log.span_id},"
            f" not to {_name(span)}"
        )
    if exemplar is not None:
        _assert_leads_to(exemplar, span)


def assert_logs_linked(logs: Iterable[LogRecord], spans: Collection[Span], *, ignore: Collection[str] = ()) -> None:
    """Check that each log record belongs to a captured span.

    Args:
        logs: As captured.
        spans: As captured.
        ignore: Loggers that may write outside of spans; those below them too.

    Raises:
        AssertionError: some do not; tells each.
    """
    known = {(span.trace_id, span.span_id) for span in spans}
    loose = [log for log in logs if (log.trace_id, log.span_id) not in known and not _is_below(log.logger, ignore)]
    if loose:
        raise AssertionError(f"{len(loose)} log records belong to no captured span:{''.join(map(_loose, loose))}")


def _assert_leads_to(found: Exemplar | Point, span: Span) -> None:
    exemplars = found.exemplars if isinstance(found, Point) else (found,)
    what = f"metric {found.name!r} {dict(found.attributes)}" if isinstance(found, Point) else "the exemplar"
    if not exemplars:
        raise AssertionError(f"{what} has no exemplar: it was measured outside of a sampled span")
    if not any(one.trace_id == span.trace_id for one in exemplars):
        ids = ", ".join(one.trace_id or "none" for one in exemplars)
        raise AssertionError(f"{what} leads to trace {ids}, not to {_name(span)}")


def _name(span: Span) -> str:
    return f"{span.kind} span {span.name!r} (trace {span.trace_id}, span {span.span_id})"


def _loose(log: LogRecord) -> str:
    where = f"has trace {log.trace_id}, span {log.span_id}" if log.trace_id else "has no ids"
    return f"\n  {log.level} {log.logger}: {log.event!r} {where}"


def _is_below(logger: str, names: Collection[str]) -> bool:
    return any(logger == name or logger.startswith(f"{name}.") for name in names)
