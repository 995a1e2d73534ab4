"""Have all variants of a table up, load them in turns, stop them, and count what each delivered."""

import contextlib
import json
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

from benchmarks.processes import LOAD_CORE, cpu_seconds, free_port, resident_mib, started
from benchmarks.slices import Subject, Timeline, turns
from benchmarks.variants import Variant

Open = Callable[[Variant, str], AbstractContextManager[Subject]]
"""Brings a variant up, given the address of its sink."""
STEADY_SHARE = 0.6
"""Of bare's throughput: the fixed rate. What is slower than that is driven at this share of its own."""
IDLE_SECONDS = 1
MOST_IDLE_SHARE = 0.05
"""Of the core: more than this, taken by those who wait for their turn, would be charged to those who have it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was seen of a table's variants.

    Attributes:
        variants: In the table's order.
        timeline: As fast as they answer.
        steady: At a fixed rate, if that was measured.
        rss_mib: Memory at the end, by name.
        counts: What came to the sink, by name.
        totals: How many operations there were, by name.
        idle_share: Of the core, taken by all together before the load.
    """

    variants: Sequence[Variant]
    timeline: Timeline
    steady: Timeline
    rss_mib: Mapping[str, float]
    counts: Mapping[str, Mapping[str, int]]
    totals: Mapping[str, int]
    idle_share: float


def measure(variants: Sequence[Variant], bring_up: Open, cycles: int, steady_cycles: int = 0) -> Measured:
    """Measure the variants of a table.

    Args:
        variants: Those with the same base are loaded next to each other.
        bring_up: How each comes up.
        cycles: Slices of each, as fast as it answers.
        steady_cycles: Slices of each at a fixed rate, for subjects that have one.
    """
    sinks = {variant.name: free_port() for variant in variants}
    timeline, steady = Timeline(), Timeline()
    ports = list(sinks.values())
    with started(LOAD_CORE, [sys.executable, "-m", "benchmarks.sink", *map(str, ports)], ports[0]):
        with ExitStack() as up:
            subjects = [up.enter_context(bring_up(each, f"http://127.0.0.1:{sinks[each.name]}")) for each in variants]
            warm_up = Timeline()
            for subject in subjects:
                warm_up.take(subject)
            idle_share = _idle_share(subjects)
            _cycles(timeline, subjects, cycles)
            _set_rates(subjects, timeline)
            _cycles(steady, subjects, steady_cycles)
            rss_mib = {subject.name: resident_mib(subject.pid) for subject in subjects}
        counts = {name: _counted(port) for name, port in sinks.items()}
    taken = (warm_up, timeline, steady)
    totals = {name: sum(each.total for line in taken for each in line.of(name)) for name in sinks}
    measured = Measured(variants, timeline, steady, rss_mib, counts, totals, idle_share)
    check(measured)
    return measured


def check(measured: Measured) -> None:
    """End the program if a variant lost or doubled a record that it must deliver."""
    for variant in measured.variants:
        for name, times in variant.delivers.items():
            wanted, came = measured.totals[variant.name] * times, measured.counts[variant.name].get(name, 0)
            if wanted != came:
                sys.exit(f"{variant.name}: {wanted} of {name} were to arrive, {came} did")


def _idle_share(subjects: Sequence[Subject]) -> float:
    time.sleep(IDLE_SECONDS)  # lets them send what the warm-up left
    before = sum(cpu_seconds(each.pid) for each in subjects)
    time.sleep(IDLE_SECONDS)
    share = (sum(cpu_seconds(each.pid) for each in subjects) - before) / IDLE_SECONDS
    if share > MOST_IDLE_SHARE:
        sys.stderr.write(f"warning: those who wait for their turn take {share:.1%} of the core\n")
    return share


def _cycles(timeline: Timeline, subjects: Sequence[Subject], cycles: int) -> None:
    for number in range(cycles):
        for subject in turns(subjects):
            timeline.take(subject)
        sys.stderr.write(f"\rcycle {number + 1} of {cycles} ")
    sys.stderr.write("\n" if cycles else "")


def _set_rates(subjects: Sequence[Subject], timeline: Timeline) -> None:
    for subject in subjects:
        if hasattr(subject, "rate"):
            pace = min(timeline.median_per_second(subject.name), timeline.median_per_second(subject.base))
            subject.rate = STEADY_SHARE * pace


def _counted(port: int) -> dict[str, int]:
    with contextlib.closing(urllib.request.urlopen(f"http://127.0.0.1:{port}/")) as answer:
        return json.load(answer)
