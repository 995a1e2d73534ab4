"""Split: how the calls to a service are shared out between its versions."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

Balancing = Literal["round_robin", "random"]


class Split:
    """Weights of versions. Without any, versions make no difference.

    A version of weight 0 gets no call, whatever happens to the others. A version without a weight gets calls only
    while no replica of a version with a weight above 0 is known: so a later release needs no weight to take over.

    Args:
        weights: At the start; see `weigh`.
        balancing: In turn, which is exact over each hundred calls, or by chance.
        random: Draws.
    """

    def __init__(
        self, weights: Mapping[str, float] = {}, balancing: Balancing = "round_robin", random: Random | None = None
    ) -> None:
        self._choose = self._next if balancing == "round_robin" else self._any
        self._random = random or Random()  # noqa: S311 - spread, not secrecy
        self.weigh(weights)

    @property
    def weights(self) -> Mapping[str, float]:
        """As they were given."""
        return dict(self._weights)

    @property
    def shares(self) -> Mapping[str, float]:
        """Each weight as a share of their sum; empty without weights."""
        total = sum(self._weights.values())
        return {version: weight / total for version, weight in self._weights.items()}

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Take these weights instead of those before; none takes all away.

        Raises:
            ValueError: one is negative or no number, or all are 0.
        """
        if any(not (0 <= weight < math.inf) for weight in weights.values()):
            raise ValueError("weights must be 0 or more")
        if weights and not sum(weights.values()):
            raise ValueError("one weight at least must be above 0")
        self._weights = dict(weights)
        self._credits = dict.fromkeys(weights, 0.0)

    def allowed(self, versions: Collection[str]) -> frozenset[str]:
        """Return those of the known versions that may get calls."""
        weighted = frozenset(version for version in versions if self._weights.get(version, 0) > 0)
        return weighted or frozenset(versions) - self._weights.keys()

    def choose(self, versions: Collection[str]) -> str:
        """Choose one of some versions that have weights for a call."""
        return self._choose(sorted(versions))

    def _next(self, versions: Collection[str]) -> str:
        """Smooth weighted round robin, as nginx has it: each gains its weight, the richest is chosen and pays all."""
        for version in versions:
            self._credits[version] += self._weights[version]
        chosen = max(versions, key=lambda version: self._credits[version])
        self._credits[chosen] -= sum(self._weights[version] for version in versions)
        return chosen

    def _any(self, versions: Collection[str]) -> str:
        return self._random.choices([*versions], [self._weights[version] for version in versions])[0]


def read_splits(text: str) -> dict[str, dict[str, float]]:
    """Read `inventory=1.0.0:95,1.1.0:5;orders=2.0.0:100`: weights by version, by service.

    Raises:
        ValueError: it is not of that form.
    """
    try:
        return {
            service: _weights(pairs) for service, _, pairs in (part.partition("=") for part in text.split(";") if part)
        }
    except ValueError as error:
        message = f"TRAFFIC_SPLIT={text!r}: {error}; it is written as inventory=1.0.0:95,1.1.0:5"
        raise ValueError(message) from None


def _weights(pairs: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for version, _, weight in (pair.rpartition(":") for pair in pairs.split(",")):
        if not version:
            raise ValueError(f"{weight!r} is no version with its weight")
        found[version] = float(weight)
    Split(found)
    return found
