"""Verdicts on new versions, told on the admin door: `GET /verdicts`, `PUT` and `DELETE /verdicts/SERVICE`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter

from instrumentation import get_logger
from instrumentation.patterns import Canary, CanaryVerdict

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

log = get_logger(__name__)


class Verdict(BaseModel):
    """How a version was judged; the reason is one of few words."""

    model_config = ConfigDict(extra="forbid")
    version: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    verdict: CanaryVerdict
    reason: Annotated[str, StringConstraints(pattern="^[a-z_]{1,32}$")]


_VERDICT = TypeAdapter(Verdict)


class Verdicts:
    """The last verdict on a version of each service. Who judges is short-lived; the gateway counts for it.

    Args:
        services: Names of those that can be judged.
    """

    def __init__(self, services: Collection[str]) -> None:
        self._canaries = {service: Canary(service) for service in services}
        self._last: dict[str, Verdict] = {}

    def read(self) -> Mapping[str, object]:
        """Return `{service: {"version", "verdict", "reason"}}`."""
        return {service: verdict.model_dump() for service, verdict in self._last.items()}

    def put(self, name: str, value: Mapping[str, Any]) -> None:
        """Take a verdict.

        Raises:
            KeyError: there is no such service.
            ValueError: it is no verdict.
        """
        canary = self._canaries[name]
        verdict = _VERDICT.validate_python(value)
        self._last[name] = verdict
        canary.judged(verdict.version, verdict.verdict, verdict.reason)
        log.info("canary judged", target=name, **verdict.model_dump())

    def remove(self, name: str) -> None:
        """Forget the last verdict.

        Raises:
            KeyError: there is no such service.
        """
        if name not in self._canaries:
            raise KeyError(name)
        self._last.pop(name, None)
