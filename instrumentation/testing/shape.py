"""The shape of traces as text: a line per span, indented below its parent, so that a person can read and write it.

server POST /orders
  internal charge  error
    client GET
"""

import difflib
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from instrumentation.testing.records import Span

INDENT = "  "
PARENT_MISSING = "parent missing"


def assert_trace(spans: Sequence[Span], shape: str, *, attributes: Sequence[str] = ()) -> None:
    """Check that spans have a shape, all traces together, each root on the margin.

    Args:
        spans: As captured.
        shape: A line per span: its kind and name, then, two blanks apart, `error` if it failed, and `key=value` of each
            of `attributes` that it has. A child is indented by two blanks more than its parent; siblings are in order
            of their start. Common indentation and empty lines do not count.
        attributes: Keys whose values are part of the shape.

    Raises:
        AssertionError: the shape is another; tells the difference, and which spans have lost their parent.
    """
    expected = normalised(shape)
    actual = shape_of(spans, attributes=attributes)
    if actual != expected:
        raise AssertionError(difference(expected, actual, spans))


def shape_of(spans: Iterable[Span], *, attributes: Sequence[str] = ()) -> str:
    """Return the shape of spans, as `assert_trace` takes it, without a line break at the end.

    A span whose parent is of this process and was not captured stands on the margin as `parent missing`.
    """
    ordered = sorted(spans, key=lambda span: span.start_ns)
    known = {span.span_id for span in ordered}
    roots = [span for span in ordered if span.parent_span_id not in known]
    return "\n".join(line for root in roots for line in _lines(root, ordered, attributes, 0))


def normalised(shape: str) -> str:
    """Return a shape without what does not count: common indentation, empty lines, blanks at the end of lines."""
    return "\n".join(line.rstrip() for line in textwrap.dedent(shape).splitlines() if line.strip())


def difference(expected: str, actual: str, spans: Iterable[Span]) -> str:
    """Tell how a shape differs from the one that was expected."""
    lines = difflib.ndiff(expected.splitlines(), (actual or "(no span was captured)").splitlines())
    marked = "\n".join(f"  {line}" for line in lines if not line.startswith("?"))
    hints = "".join(f"\n{hint}" for hint in _hints(expected, list(spans)))
    return f"the trace has another shape (- expected, + captured):\n{marked}{hints}"


def _lines(span: Span, spans: Sequence[Span], attributes: Sequence[str], depth: int) -> Iterator[str]:
    marks = [PARENT_MISSING] if depth == 0 and _has_lost_parent(span) else []
    marks += ["error"] if span.status == "error" else []
    marks += [f"{key}={span.attributes[key]}" for key in attributes if key in span.attributes]
    yield INDENT.join([f"{INDENT * depth}{span.kind} {span.name}", *marks])
    for child in spans:
        if child.parent_span_id == span.span_id:
            yield from _lines(child, spans, attributes, depth + 1)


def _has_lost_parent(root: Span) -> bool:
    return bool(root.parent_span_id) and not root.is_parent_remote


def _hints(expected: str, spans: Sequence[Span]) -> Iterator[str]:
    """Yield what usually causes a root that was expected to be a child."""
    inner = {line.strip().split(INDENT)[0] for line in expected.splitlines() if line.startswith(INDENT)}
    known = {span.span_id for span in spans}
    for span in sorted(spans, key=lambda span: span.start_ns):
        name = f"{span.kind} {span.name}"
        if span.parent_span_id in known:
            continue
        if _has_lost_parent(span):
            yield f"{name!r}: its parent {span.parent_span_id} was not captured; did that span end?"
        elif name in inner:
            yield (
                f"{name!r} has no parent and begins trace {span.trace_id} of its own: the context was lost on the way"
                " to it. Is it started in a thread, a callback or a process that nothing carries the context to?"
            )
