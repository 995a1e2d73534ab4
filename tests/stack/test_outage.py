"""Backends that are away for a minute, under load."""

import itertools
import re
import time
import urllib.request

import pytest
from freezing import frozen

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

OUTAGE_SECONDS = 60
RATE = 10
DRAIN_SECONDS = 120
HELD_SECONDS = 30
"""How long a record may need from the Collector's queue to a backend's answer."""


def collector_total(stack, name):
    """Return the sum of one of the Collector's own metrics."""
    with urllib.request.urlopen(f"{stack.url('metrics')}/metrics", timeout=30) as answer:
        page = answer.read().decode()
    return sum(int(float(value)) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", page, re.MULTILINE))


def wait_until_empty(stack):
    """Wait until all queues of the Collector are empty."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while left := collector_total(stack, "otelcol_exporter_queue_size"):
        assert time.monotonic() < deadline, f"{left} left"
        time.sleep(0.5)


def wait_until_held(stack, count, signal):
    """Wait until a backend counts exactly as many records as the Collector accepted, which are some."""
    accepted = collector_total(stack, f"otelcol_receiver_accepted_{signal}")
    assert accepted
    deadline = time.monotonic() + HELD_SECONDS
    while (held := count()) != accepted:
        assert time.monotonic() < deadline, f"{held} of {accepted}"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def after_the_outage(stack, stack_shop):
    """The stack, after its backends were away for a minute under load, came back, and got all that waited.

    The shop stands still from then on, so that all counts stay.
    """
    away = [name for name in ("prometheus", "loki", "tempo") if name in stack.children]
    with stack_shop.load(RATE):
        began = time.time()
        stack.halt(*away)  # they take nothing from the beginning on, however long they need to end
        time.sleep(max(0.0, began + OUTAGE_SECONDS - time.time()))
        held = collector_total(stack, "otelcol_exporter_queue_size")
        stack.start_again(*away)
    with frozen(*stack_shop.children):
        wait_until_empty(stack)
        yield began, held


def test_the_queue_held_what_came_meanwhile(after_the_outage):
    """While the backends were away the Collector accepted and kept records."""
    _, held = after_the_outage
    assert held > OUTAGE_SECONDS


@pytest.mark.parametrize("signal", ["spans", "log_records", "metric_points"])
def test_nothing_was_refused_or_given_up(stack, after_the_outage, signal):
    """The Collector refused nothing, gave up nothing, and sent what it accepted."""
    assert collector_total(stack, f"otelcol_receiver_refused_{signal}") == 0
    assert collector_total(stack, f"otelcol_exporter_send_failed_{signal}") == 0
    assert collector_total(stack, f"otelcol_exporter_enqueue_failed_{signal}") == 0


def test_loki_holds_every_log_record(stack, stack_reader, after_the_outage):
    """Loki holds as many lines as the Collector ever accepted."""
    wait_until_held(stack, lambda: stack_reader.log_count('{service_name=~".+"}'), "log_records")


def test_prometheus_holds_every_point(stack, stack_reader, after_the_outage):
    """Prometheus holds as many points as the Collector ever accepted, and none of its samples was too late."""
    wait_until_held(stack, stack_reader.point_count, "metric_points")
    refused = "prometheus_tsdb_too_old_samples_total + prometheus_tsdb_out_of_bound_samples_total"
    assert [value for _, value in stack_reader.metrics(refused) if value] == []


def test_no_series_has_a_gap(stack_reader, after_the_outage):
    """No series of a service that was pushed every 2 s has a gap."""
    began, _ = after_the_outage
    window = int(time.time() - began) + 30
    series = stack_reader.samples(f"process_memory_usage_bytes[{window}s]")
    assert {labels["service_name"] for labels, _ in series} >= {"gateway", "orders", "payments"}
    gaps = {
        labels["service_name"]: round(max(after - before for before, after in itertools.pairwise(times)), 1)
        for labels, times in series
        if len(times) > 1 and labels["service_name"] in {"gateway", "orders", "inventory", "payments", "notifications"}
    }
    assert {service: gap for service, gap in gaps.items() if gap > OUTAGE_SECONDS / 2} == {}


def test_tempo_holds_every_span(stack, stack_reader, after_the_outage):
    """Tempo holds as many spans as the Collector ever accepted; it counts what is 5 s old."""
    if "tempo" in stack.skipped:
        pytest.skip(f"tempo: {stack.skipped['tempo']}")
    wait_until_held(stack, stack_reader.span_count, "spans")
