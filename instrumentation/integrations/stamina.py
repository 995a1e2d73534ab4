"""stamina: each retry it schedules is told by its own hook, beside those that are set already."""

from collections.abc import Callable

from stamina.instrumentation import RetryDetails, get_on_retry_hooks, set_on_retry_hooks

from instrumentation.patterns.retry import Retry
from instrumentation.signals.signals import Signals

MAX_NAMES = 200
"""Names of retried callables; beyond, they share one."""


def install(signals: Signals) -> Callable[[], None]:
    """Observe all retries; returns what undoes it."""
    retries: dict[str, Retry] = {}

    def observe(details: RetryDetails) -> None:
        try:
            name = details.name if details.name in retries or len(retries) < MAX_NAMES else "other"
            retry = retries.setdefault(name, Retry(name))
            retry.resent()
            retry.waits(details.retry_num, details.wait_for, details.caused_by)
        except Exception as error:
            signals.guard.caught("stamina", error)

    set_on_retry_hooks((*get_on_retry_hooks(), observe))

    def undo() -> None:
        set_on_retry_hooks(hook for hook in get_on_retry_hooks() if hook is not observe)

    return undo
