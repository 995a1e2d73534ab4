"""Find every query in the checkout: dashboards, links, variables, rules, runbooks, datasource links."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import parse_qs, urlsplit

import yaml

Language = Literal["promql", "logql", "traceql", "promql label", "log label", "span attribute"]
"""The last three name one key instead of a query."""

LANGUAGES: dict[str, Language] = {"prometheus": "promql", "loki": "logql", "tempo": "traceql"}

_LABEL_VALUES = re.compile(r"label_values\((.*), *(\w+)\)")
_FENCE = re.compile(r"^```(promql|logql|traceql)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_TEMPLATE_LABEL = re.compile(r"\$labels\.(\w+)")


@dataclass(frozen=True, slots=True)
class Place:
    """A query and where it is.

    Attributes:
        where: The file, and what in it people would look for.
        language: Of the query.
        text: The query, with what Grafana or Tempo fill in still open.
        with_label: A label that must be on what the query finds, such as a variable's.
    """

    where: str
    language: Language
    text: str
    with_label: str = ""


def places(root: Path) -> list[Place]:
    """Return every query below a checkout's root."""
    return [*dashboards(root), *rules(root), *runbooks(root), *datasources(root)]


def dashboards(root: Path) -> Iterator[Place]:
    """Find the queries of panels, variables and links."""
    for path in sorted((root / "grafana/dashboards").glob("*.json")):
        board = cast("dict[str, Any]", json.loads(path.read_text()))
        for variable in board.get("templating", {}).get("list", []):
            selector, label = _label_values(variable["query"])
            yield Place(f"{path.name}: variable {variable['name']}", "promql", selector, label)
        for panel in board.get("panels", []):
            yield from _panel(f"{path.name}: panel {panel.get('title')!r}", panel)


def _label_values(query: str) -> tuple[str, str]:
    found = _LABEL_VALUES.fullmatch(query)
    if found is None:
        raise ValueError(f"not label_values(...): {query}")
    return found[1], found[2]


def _panel(where: str, panel: dict[str, Any]) -> Iterator[Place]:
    for target in panel.get("targets", []):
        yield _target(f"{where} {target['refId']}", target)
    for url in sorted(set(_urls(panel))):
        yield from _explored(f"{where} link", url)


def _target(where: str, target: dict[str, Any]) -> Place:
    return Place(where, LANGUAGES[target["datasource"]["type"]], target.get("expr") or target["query"])


def _urls(value: object) -> Iterator[str]:
    match value:
        case {"url": str(url)}:
            yield url
        case dict():
            for each in cast("dict[str, object]", value).values():
                yield from _urls(each)
        case list():
            for each in cast("list[object]", value):
                yield from _urls(each)
        case _:
            return


def _explored(where: str, url: str) -> Iterator[Place]:
    for panes in parse_qs(urlsplit(url).query).get("panes", []):
        for pane in json.loads(panes).values():
            for target in pane["queries"]:
                yield _target(where, target)


def rules(root: Path) -> Iterator[Place]:
    """Find the expressions of rules, and the labels that annotations show."""
    for path in sorted((root / "prometheus/rules").glob("*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                yield from _rule(path.name, rule)


def _rule(file: str, rule: dict[str, Any]) -> Iterator[Place]:
    labels = rule.get("labels", {})
    name = f"alert {rule['alert']}" if "alert" in rule else f"record {rule['record']} {labels.get('slo', '')}".strip()
    where = f"{file}: {name}"
    yield Place(where, "promql", rule["expr"])
    shown = {label for text in rule.get("annotations", {}).values() for label in _TEMPLATE_LABEL.findall(text)}
    for label in sorted(shown):
        yield Place(f"{where} annotation", "promql", rule["expr"], label)


def runbooks(root: Path) -> Iterator[Place]:
    """Find the fenced queries of the runbooks."""
    for path in sorted((root / "docs/runbooks").glob("*.md")):
        for number, found in enumerate(_FENCE.finditer(path.read_text()), 1):
            language = cast("Language", found[1])
            yield Place(f"runbooks/{path.name}: query {number}", language, found[2].strip())


def datasources(root: Path) -> Iterator[Place]:
    """Find what the links between datasources look for, as Grafana reads it."""
    for path in sorted((root / "grafana/provisioning/datasources").glob("*.yaml")):
        for source in yaml.safe_load(path.read_text())["datasources"]:
            yield from _datasource(f"{path.name}: {source['name']}", expand(source["jsonData"]))


def _datasource(where: str, data: dict[str, Any]) -> Iterator[Place]:
    for field in data.get("derivedFields", []):
        yield Place(f"{where} derived field {field['name']}", "log label", field["matcherRegex"])
    for destination in data.get("exemplarTraceIdDestinations", []):
        yield Place(f"{where} exemplar {destination['name']}", "promql label", destination["name"])
    for link, language in (("tracesToLogsV2", "log label"), ("tracesToMetrics", "promql label")):
        for tag in data.get(link, {}).get("tags", []):
            yield Place(f"{where} {link} tag {tag['key']}", "span attribute", tag["key"])
            yield Place(f"{where} {link} tag {tag['value']}", cast("Language", language), tag["value"])
    if "query" in data.get("tracesToLogsV2", {}):
        yield Place(f"{where} tracesToLogsV2", "logql", data["tracesToLogsV2"]["query"])
    for query in data.get("tracesToMetrics", {}).get("queries", []):
        yield Place(f"{where} tracesToMetrics {query['name']!r}", "promql", query["query"])
    if "spanBar" in data:
        yield Place(f"{where} spanBar", "span attribute", data["spanBar"]["tag"])


_VARIABLE = re.compile(r"\$\$|\$\{[\w.]+\}|\$\w+")


def expand(value: Any) -> Any:
    """Fill in the environment as Grafana's provisioning does: `$$` is a dollar, any other variable is empty here."""
    match value:
        case str():
            return _VARIABLE.sub(lambda found: "$" if found[0] == "$$" else "", value)
        case dict():
            return {key: expand(each) for key, each in cast("dict[str, Any]", value).items()}
        case list():
            return [expand(each) for each in cast("list[Any]", value)]
        case _:
            return value
