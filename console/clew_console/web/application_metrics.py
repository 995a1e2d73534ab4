"""The application's own counters, split by what they came to: what the business sees before any span fails."""

from dataclasses import dataclass

from clew_console.search.metric_labels import metric_labels
from clew_console.search.metric_series import metric_series
from clew_console.search.metrics import metric_names
from clew_console.search.time_range import TimeRange
from clew_console.web.links import address
from clew_console.web.page import View

MAX_CARDS = 8
MAX_PARTS = 5
STEPS = 40
SPLITS = ("outcome", "status", "result", "state", "to", "decision", "reason", "direction", "kind")
"""Labels that say what something came to, the best known first."""

_BORING = (
    "http.", "rpc.", "db.", "messaging.", "process", "cpython.", "asyncio.", "system.", "otel.", "python_",
    "container.",
    "jvm.", "go_", "go.", "dns.", "clew.", "k8s.", "faas.", "hw.", "scrape_", "up",
)  # fmt: skip
_BAD_WORDS = (
    "fail",
    "error",
    "cancel",
    "declin",
    "reject",
    "compensat",
    "dropped",
    "timeout",
    "timed",
    "stuck",
    "open",
)
_GOOD_WORDS = ("ok", "confirm", "charged", "success", "complete", "reserved", "done", "deliver", "accepted", "closed")


@dataclass(frozen=True, slots=True)
class Part:
    """Increases with one value of the label: `verdict` is bad, good or plain, from the word alone."""

    value: str
    verdict: str
    total: float
    share: float
    values: list[float]
    href: str


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter of the application in the time of the page; `told` says what its total is where it is no total."""

    name: str
    unit: str
    label: str
    total: float
    parts: list[Part]
    href: str
    told: str = ""


def application_counters(view: View, when: TimeRange) -> list[Counter]:
    """Return the counters that moved, those split by an outcome first."""
    names = [
        one for one in metric_names(view.directory) if one["type"] == "sum" and not one["name"].startswith(_BORING)
    ]
    found = [counter(view, when, one["name"], one["unit"]) for one in names[: 3 * MAX_CARDS]]
    moved = [one for one in found if one is not None]
    return sorted(moved, key=lambda one: (not one.label, one.name))[:MAX_CARDS]


def counter(view: View, when: TimeRange, name: str, unit: str) -> Counter | None:
    """Return a counter's increases, split by what they came to; None for one that did not move."""
    label = _split(view, name)
    by = (label,) if label else ()
    found = metric_series(view.directory, name, when, "increase", group_by=by, most_steps=STEPS)
    totals = {dict(one.labels).get(label, ""): [value for _, value in one.points] for one in found.series}
    everything = sum(map(sum, totals.values()))
    if everything < 0.5:
        return None
    parameters = {"name": name, **({"by": label} if label else {})}
    parts = [
        Part(value, verdict(value), sum(of), sum(of) / everything, of, _link(view, parameters, label, value))
        for value, of in totals.items()
    ]
    parts.sort(key=lambda one: (one.verdict != "bad", -one.total))
    return Counter(name, unit, label, everything, parts[:MAX_PARTS], address("/metrics", view.period, parameters))


def _link(view: View, parameters: dict[str, str], label: str, value: str) -> str:
    return address("/metrics", view.period, {**parameters, **({"where": f"{label}={value}"} if label else {})})


def _split(view: View, name: str) -> str:
    labels = metric_labels(view.directory, name)
    by_last_word = {key.rpartition(".")[2]: key for key in labels if not key.startswith(("service.", "host."))}
    return next((by_last_word[word] for word in SPLITS if word in by_last_word), "")


def verdict(value: str) -> str:
    """Return bad, good or plain for the value of an outcome."""
    lowered = value.lower()
    if any(word in lowered for word in _BAD_WORDS):
        return "bad"
    return "good" if any(word in lowered for word in _GOOD_WORDS) else "plain"
