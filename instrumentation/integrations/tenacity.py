"""tenacity: its callbacks tell of each pause, and how a call ended."""

from typing import Any

from tenacity import RetryCallState

from instrumentation.patterns.retry import Retry


def observed(name: str) -> dict[str, Any]:
    """Return callbacks for `retry`, `Retrying` or `AsyncRetrying`: `@retry(stop=..., **observed("fetch"))`.

    Args:
        name: Of the kind of call; a label, keep it one of few.
    """
    telemetry = Retry(name)

    def before_sleep(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        delay_seconds = state.next_action.sleep if state.next_action else 0.0
        telemetry.resent()
        telemetry.waits(state.attempt_number, delay_seconds, error or ValueError("result refused"))

    def after(state: RetryCallState) -> None:
        """Is called after an attempt that failed; the last one has no pause behind it."""
        if state.retry_object.stop(state):
            telemetry.ended("attempts")

    return {"before_sleep": before_sleep, "after": after}
