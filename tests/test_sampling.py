"""The specification's samplers."""

import pytest

from instrumentation.context import Parent, new_ids
from instrumentation.sampling import sampler

KEPT, NOT_KEPT = (Parent(b"\1" * 16, b"\2" * 8, sampled=sampled) for sampled in (True, False))


@pytest.mark.parametrize(
    ("name", "root", "of_kept", "of_not_kept"),
    [
        ("always_on", True, True, True),
        ("always_off", False, False, False),
        ("parentbased_always_on", True, True, False),
        ("parentbased_always_off", False, True, False),
    ],
)
def test_each_sampler_decides_as_specified(name, root, of_kept, of_not_kept):
    """Roots and children of kept and unkept parents are kept as the specification says."""
    keep = sampler(name)
    assert (keep(None, b"\1" * 16), keep(KEPT, b"\1" * 16), keep(NOT_KEPT, b"\1" * 16)) == (root, of_kept, of_not_kept)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 1.0])
def test_a_ratio_keeps_its_share(ratio):
    """A ratio keeps its share of traces, by trace id alone, so that every service decides alike."""
    keep = sampler("parentbased_traceidratio", ratio)
    ids = [new_ids()[:16] for _ in range(10_000)]
    kept = [trace_id for trace_id in ids if keep(None, trace_id)]
    assert abs(len(kept) / len(ids) - ratio) < 0.03
    assert all(sampler("traceidratio", ratio)(None, trace_id) for trace_id in kept)


@pytest.mark.parametrize(("name", "ratio"), [("sometimes", 1.0), ("always_on", 1.5), ("traceidratio", -0.1)])
def test_a_wrong_sampler_raises(name, ratio):
    """A name or ratio that does not exist is an error of the code that gives it."""
    with pytest.raises(ValueError, match="sampl"):
        sampler(name, ratio)
