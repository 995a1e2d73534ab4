"""Business metrics: what is not declared is no series."""

import pytest
from opentelemetry import metrics

from instrumentation import BusinessMetrics
from instrumentation.business import MAX_DECLARED_SERIES, UndeclaredLabelError
from instrumentation.signals.meter import StoreMeterProvider
from instrumentation.signals.metric import MetricStore


class Ref:
    store = None


@pytest.fixture
def store(monkeypatch):
    """A store that all meters made in the test write into."""
    ref = Ref()
    ref.store = MetricStore()
    monkeypatch.setattr(metrics, "get_meter", StoreMeterProvider(ref).get_meter)
    return ref.store


def values(store):
    return {
        family.name: [
            (dict(point.attributes), sum(point.counts) if hasattr(point, "counts") else point.value)
            for point in family.points
        ]
        for family in store.snapshot()
        if family.points
    }


def test_declared_labels_are_series(store):
    """Each kind of metric takes what it declares."""
    business = BusinessMetrics("shop")
    business.counter("placed", unit="1", description="d", labels={"outcome": ("ok", "no")}).add(2, {"outcome": "ok"})
    business.gauge("stock", unit="1", description="d", labels={"sku": ("horn",)}).set(7, {"sku": "horn"})
    business.histogram("size", unit="1", description="d", boundaries=(1, 2)).record(1.5)
    assert values(store) == {"placed": [({"outcome": "ok"}, 2)], "stock": [({"sku": "horn"}, 7)], "size": [({}, 1)]}


@pytest.mark.parametrize("labels", [{}, {"outcome": "maybe"}, {"outcome": "ok", "user": "ann"}, {"user": "ok"}])
def test_an_undeclared_label_raises_under_test(store, labels):
    """A label or value that is not declared, or one that is missing, is told with the metric's name."""
    placed = BusinessMetrics("shop").counter("placed", unit="1", description="d", labels={"outcome": ("ok", "no")})
    with pytest.raises(UndeclaredLabelError, match="placed"):
        placed.add(1, labels)
    assert "placed" not in values(store)


def test_in_production_it_is_dropped_and_counted(store, monkeypatch):
    """Outside of tests the measurement is lost, the service goes on, and a counter tells which metric it was."""
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    placed = BusinessMetrics("shop").counter("placed", unit="1", description="d", labels={"outcome": ("ok",)})
    placed.add(1, {"outcome": "maybe"})
    placed.add(1, {"outcome": "ok"})
    assert values(store) == {
        "placed": [({"outcome": "ok"}, 1)],
        "clew.business.undeclared": [({"clew.business.metric": "placed"}, 1)],
    }


@pytest.mark.parametrize("labels", [{"outcome": ()}, {"a": map(str, range(30)), "b": map(str, range(30))}])
def test_too_many_series_are_refused_at_declaration(store, labels):
    """A declaration that allows no series, or too many, is a mistake that is told at once."""
    with pytest.raises(ValueError, match=str(MAX_DECLARED_SERIES)):
        BusinessMetrics("shop").counter("placed", unit="1", description="d", labels=labels)
