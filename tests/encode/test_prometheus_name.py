"""Names are translated as prometheus/otlptranslator does it; the cases are its documentation's and the contract's."""

import pytest

from instrumentation.encode.prometheus_name import label_name, metric_name, unit_name


@pytest.mark.parametrize(
    ("name", "kind", "unit", "expected"),
    [
        ("http.server.request.duration", "histogram", "s", "http_server_request_duration_seconds"),
        ("process.memory.usage", "up_down_counter", "By", "process_memory_usage_bytes"),
        ("process.cpu.time", "counter", "s", "process_cpu_time_seconds_total"),
        ("process.thread.count", "up_down_counter", "{thread}", "process_thread_count"),
        ("requests.count", "counter", "1", "requests_count_total"),
        ("system.filesystem.utilization", "gauge", "1", "system_filesystem_utilization_ratio"),
        ("share", "up_down_counter", "1", "share"),
        ("network.io", "gauge", "By/s", "network_io_bytes_per_second"),
        ("hits", "gauge", "{hit}/s", "hits_per_second"),
        ("system.io", "gauge", "foo/bar", "system_io_foo_per_bar"),
        ("total.requests", "counter", "", "requests_total"),
        ("work_seconds", "gauge", "s", "work_seconds"),
        ("a..b__c-é", "gauge", "", "a_b_c"),
        ("99.luft", "gauge", "", "_99_luft"),
        ("job:rate", "gauge", "", "job:rate"),
        ("", "gauge", "", "_"),
    ],
)
def test_metric_name(name, kind, unit, expected):
    """A metric's name gets legal letters, its unit and its type's ending, each once."""
    assert metric_name(name, kind, unit) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("http.route", "http_route"),
        ("a__b", "a_b"),
        ("1st", "key_1st"),
        ("__name__", "__name__"),
        ("é", "key_"),
        ("", "key_"),
    ],
)
def test_label_name(key, expected):
    """An attribute's key becomes a legal label name."""
    assert label_name(key) == expected


def test_unit_name():
    """A unit's name is what its metric ends in; annotations and 1 have none."""
    assert [unit_name(unit) for unit in ("s", "By/s", "{request}", "1", "")] == [
        "seconds",
        "bytes_per_second",
        "",
        "",
        "",
    ]
