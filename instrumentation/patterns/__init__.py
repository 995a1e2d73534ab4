"""Reliability patterns as telemetry: saga, outbox, inbox, idempotency, dead letters, breaker, retry, targets, canary.

One object per pattern and place, told what happened by whoever implements the pattern, whatever its library. Each
counts, and marks the current span: so a trace shows the steps and a metric their outcomes. No conventions exist for
these; the names are in semconv.py. Every name given here is a label: keep them few.
"""

from instrumentation.patterns.breaker import Breaker, BreakerState
from instrumentation.patterns.canary import Canary, CanaryVerdict
from instrumentation.patterns.dead_letter import Backlog, DeadLetters
from instrumentation.patterns.idempotency import Idempotency
from instrumentation.patterns.outbox import Inbox, Outbox
from instrumentation.patterns.retry import Retry, RetryOutcome
from instrumentation.patterns.saga import Saga, SagaOutcome
from instrumentation.patterns.target import Targets

__all__ = [
    "Backlog",
    "Breaker",
    "BreakerState",
    "Canary",
    "CanaryVerdict",
    "DeadLetters",
    "Idempotency",
    "Inbox",
    "Outbox",
    "Retry",
    "RetryOutcome",
    "Saga",
    "SagaOutcome",
    "Targets",
]
