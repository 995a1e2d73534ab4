"""Traffic: whoever shares the calls to a service out between its versions, asked by its admin door."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from instrumentation.backend import Backend


class Traffic(Protocol):
    """What can be told how to share calls out."""

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Share calls out by these weights of versions from now on.

        Raises:
            UnansweredError: It did not take them.
        """
        ...

    def tell(self, version: str, verdict: str, reason: str) -> None:
        """Tell how a version was judged.

        Raises:
            UnansweredError: It did not take it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Gateways:
    """The replicas of a gateway, each with an admin door that has the boards `weights` and `verdicts`.

    Attributes:
        doors: Of all of them.
        service: Whose calls are shared out.
    """

    doors: Sequence[Backend]
    service: str

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Tell all of them: each must take the weights, or calls would go on where one does not."""
        for door in self.doors:
            door.put(f"/weights/{self.service}", dict(weights))

    def tell(self, version: str, verdict: str, reason: str) -> None:
        """Tell the first one, which counts it."""
        body = {"version": version, "verdict": verdict, "reason": reason}
        self.doors[0].put(f"/verdicts/{self.service}", body)


class Untouched:
    """Traffic that somebody else shares out: it is judged as it is."""

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Do nothing."""

    def tell(self, version: str, verdict: str, reason: str) -> None:
        """Do nothing: the exit code tells."""
