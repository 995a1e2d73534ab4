"""Decide whether a trace is kept, as `OTEL_TRACES_SAMPLER` says.

Source: https://opentelemetry.io/docs/specs/otel/trace/sdk/#built-in-samplers.
"""

from collections.abc import Callable

from instrumentation.context import Parent

Sampler = Callable[[Parent | None, bytes], bool]
"""Takes the parent, None for a root, and the new span's 16-byte trace id; tells whether to keep the span."""


def sampler(name: str, ratio: float = 1.0) -> Sampler:
    """Build one of the specification's samplers.

    Args:
        name: A value of `OTEL_TRACES_SAMPLER`, such as `parentbased_traceidratio`.
        ratio: Share of traces that a `traceidratio` sampler keeps, 0 to 1.

    Raises:
        ValueError: The name is not one of the specification's, or the ratio is out of bounds.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f"sampling ratio must be between 0 and 1, got {ratio}")
    roots: dict[str, Sampler] = {
        "always_on": lambda _parent, _trace_id: True,
        "always_off": lambda _parent, _trace_id: False,
        "traceidratio": _trace_id_ratio(ratio),
    }
    base = name.removeprefix("parentbased_")
    if base not in roots:
        known = ", ".join([*roots, *(f"parentbased_{root}" for root in roots)])
        raise ValueError(f"unknown sampler {name!r}; known are {known}")
    root = roots[base]
    if base == name:
        return root
    if base == "always_on":  # the default, asked for each span: one call instead of two
        return lambda parent, _trace_id: parent is None or parent.sampled
    return lambda parent, trace_id: root(None, trace_id) if parent is None else parent.sampled


def _trace_id_ratio(ratio: float) -> Sampler:
    bound = round(ratio * (1 << 64))
    return lambda _parent, trace_id: int.from_bytes(trace_id[8:], "big") < bound
