"""Every name in every query is one that the shop really emits; a rename names what it breaks."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

import instrumentation
from instrumentation import semconv
from instrumentation.encode.prometheus_name import label_name
from mixin import names
from mixin.contract.check import recorded, unresolved
from mixin.contract.emitted import BY_LOKI
from mixin.contract.place import places
from mixin.metric import Metric

ROOT = Path(__file__).parents[2]
METRICS = [each for each in vars(names).values() if isinstance(each, Metric) and each.otel in vars(semconv).values()]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("contract")]


def broken(emitted):
    """Return the places that rely on what a run did not emit."""
    return [found.where for found in unresolved(places(ROOT), emitted, recorded(ROOT))]


def mentioning(metric):
    """Return the places whose text has a metric's name, found without any parser."""
    word = re.compile(rf"\b{metric.name}(_bucket|_count|_sum)?\b")
    return [place.where for place in places(ROOT) if word.search(place.text)]


def test_every_name_in_every_query_is_emitted(emitted):
    """0 unresolved metrics, labels, label values, log keys and span attributes in dashboards, rules and links."""
    found = unresolved(places(ROOT), emitted, recorded(ROOT))
    assert found == [], "\n".join(f"{each.where}: {each.missing}" for each in found)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.otel)
def test_without_a_metric_exactly_its_places_are_broken(emitted, metric):
    """Each metric of the kit is in some query, and without it exactly the places that mention it are named."""
    expected = mentioning(metric)
    assert expected
    assert sorted(set(broken(emitted.without(metric.name)))) == sorted(set(expected))


def test_the_strict_list_has_every_attribute_that_is_emitted(emitted):
    """With collector/strict.yaml nothing that the kit and the shop emit is removed."""
    strict = yaml.safe_load((ROOT / "collector/strict.yaml").read_text())
    allowed = set(strict["processors"]["redaction"]["allowed_keys"])
    as_labels = {label_name(key) for key in allowed}
    of_metrics = {label for values in emitted.metrics.values() for label in values} - {"le", "job", "instance"}
    assert {key.partition(".")[2] for key in emitted.spans} - allowed == set()
    assert emitted.logs.keys() - as_labels - set(BY_LOKI) == set()
    assert of_metrics - as_labels == set()


@pytest.mark.slow
def test_a_rename_in_semconv_names_exactly_the_places_it_breaks(run_shop, tmp_path):
    """A shop that runs on a copy of the kit, in which one metric has another name, breaks its places and no other."""
    package = Path(instrumentation.__file__).parent
    copy = tmp_path / "instrumentation"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    source = (copy / "semconv.py").read_text()
    renamed = source.replace('"rpc.client.call.duration"', '"rpc.client.call.time"')
    assert renamed != source
    (copy / "semconv.py").write_text(renamed)

    emitted = run_shop(PYTHONPATH=str(tmp_path), PYTHONSAFEPATH="1")
    assert "rpc_client_call_time_seconds_count" in emitted.metrics
    assert sorted(set(broken(emitted))) == [
        "runbooks/BreakerOpen.md: query 4",
        "runbooks/ServiceSilent.md: query 3",
        "service.json: panel 'gRPC calls sent: 95th percentile' A",
    ]
