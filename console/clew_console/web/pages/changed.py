"""What changed: which attributes the failing, the slow or other chosen traces share and the others do not."""

from collections.abc import Sequence
from typing import Any

from clew_console.query.error import QueryError
from clew_console.search.traits import Difference, ValueShares, compare_traits, is_consequence
from clew_console.web.links import guessed_literal, joined, of_service, quoted, traceql_attribute
from clew_console.web.page import Page, View, explained
from clew_console.web.pages.traces import bars
from clew_console.web.selection import MODES, choice, select
from clew_console.web.text import percent_text

SHOWN = 8
COMPARED = 150
"""Traces read of each side; reading one takes a few milliseconds."""
LISTED = 12
MIN_FINDING = 0.3
SECTIONS = (
    ("resource", "Where it ran", "Resource attributes: version, instance, host"),
    ("span", "What it was about", "Span attributes: routes, codes, ids of the business"),
    ("operation", "What happened", "Spans and messages that only one side has"),
)


def page(view: View) -> Page:
    """Compare the chosen traces with the others of the same kind."""
    asked = choice(view)
    values: dict[str, Any] = {"asked": asked, "modes": MODES, "sections": []}
    try:
        selection = select(view.directory, view.period.times, asked)
    except QueryError as error:
        return Page("changed.html", {**values, "selection": None, **explained(error)}, 400)
    values |= {"selection": selection, **bars(selection.selected[:LISTED])}
    if not selection.selected or not selection.others:
        return Page("changed.html", values)
    ids = [[one.trace_id for one in side[:COMPARED]] for side in (selection.selected, selection.others)]
    differences = compare_traits(view.directory, *ids)
    return Page("changed.html", {**values, "sections": sections(differences), "findings": _findings(differences)})


def sections(differences: Sequence[Difference]) -> list[tuple[str, str, list[Difference]]]:
    """Return title, explanation and differences of each kind there is."""
    found = ((title, about, _of(differences, scope)) for scope, title, about in SECTIONS)
    return [section for section in found if section[2]]


def _of(differences: Sequence[Difference], scope: str) -> list[Difference]:
    return [one for one in differences if one.trait.scope == scope][:SHOWN]


def _findings(differences: Sequence[Difference]) -> list[dict[str, str]]:
    """Return in words what is most over-represented among the selected: where it ran, and what it was about."""
    found = list[dict[str, str]]()
    for scope in ("resource", "span"):
        pairs = [(one, value) for one in differences if one.trait.scope == scope for value in one.values]
        pairs = [pair for pair in pairs if not is_consequence(pair[0].trait)]
        strongest = max(pairs, key=lambda pair: round(pair[1].difference, 2), default=None)
        if strongest is not None and strongest[1].difference >= MIN_FINDING:
            found.append(_words(*strongest))
    return found


def _words(difference: Difference, value: ValueShares) -> dict[str, str]:
    trait = difference.trait
    shares = {"selected": percent_text(value.selected), "others": percent_text(value.others)}
    return {"service": trait.service, "key": trait.key, "value": value.value, **shares}


def narrowing(difference: Difference, value: str) -> str:
    """Return the query for traces with a value, compared as text; "" where it may not have been a text."""
    trait = difference.trait
    if trait.scope == "operation":
        return joined(of_service(trait.service), f"name = {quoted(value)}") if trait.key == "name" else ""
    attribute = traceql_attribute(trait.scope, trait.key)
    return joined(of_service(trait.service), f"{attribute} = {guessed_literal(value)}")
