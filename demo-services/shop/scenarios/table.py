"""All scenarios. When an alert is due is the sum of the rule's own times and of what the fault needs to show."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from shop.scenarios.scenario import Due, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager


@contextmanager
def _both(*faults: AbstractContextManager[object]) -> Iterator[None]:
    with ExitStack() as stack:
        for fault in faults:
            stack.enter_context(fault)
        yield


_ALL = (
    Scenario(
        "payments-failing",
        "Payments fails each message that asks for a charge: it is tried again, then put aside.",
        lambda stage: stage.fault("payments", "handlers", subject="inventory.reserved", fails=True),
        {
            "SloBudgetBurnsFast": Due(240, 60),
            "OrdersCancelled": Due(570, 60),
            "MessagesPutAside": Due(120, None),  # twelve deliveries take 71 s
            "OrdersSettleLate": Due(420, None),  # after a step that timed out
        },
    ),
    Scenario(
        "payments-declined",
        "The bank declines every payment.",
        lambda stage: stage.fault("payments", "decline"),
        {"OrdersCancelled": Due(480, 60)},
    ),
    Scenario(
        "payments-slow",
        "Each charge takes 3 s.",
        lambda stage: stage.fault("payments", "handlers", subject="inventory.reserved", delay_seconds=3.0),
        {"SloBudgetBurnsFast": Due(690, 75)},
    ),
    Scenario(
        "inventory-down",
        "Both replicas of inventory are stopped.",
        lambda stage: stage.without("inventory"),
        {
            "ServiceSilent": Due(285, 45),
            "BreakerOpen": Due(390, 60),
            "OrdersNotSettled": Due(645, 75),
            "SagaStuck": Due(225, None),  # its age of two minutes
        },
        frozenset({"RetryBudgetSpent", "SloBudgetBurnsFast"}),
    ),
    Scenario(
        "broker-down",
        "The broker is stopped; orders are taken, and their messages wait.",
        lambda stage: stage.without("nats"),
        {"OutboxStalls": Due(60, None), "MessagesNotPublished": Due(420, 75)},
    ),
    Scenario(
        "pool-exhausted",
        "Orders takes all connections of its pool and gives none back.",
        lambda stage: stage.fault("orders", "hold"),
        {
            "ConnectionPoolExhausted": Due(210, 60),
            "SloBudgetBurnsFast": Due(240, 60),
            "RetryBudgetSpent": Due(330, 60),
            "BreakerOpen": Due(390, 60),
        },
    ),
    Scenario(
        "memory-leak",
        "One replica of inventory keeps 8 MiB more each second, up to 512.",
        lambda stage: stage.fault("inventory-1", "leak", mib_per_second=8, most_mib=512),
        {"MemoryGrows": Due(540, 75)},
    ),
    Scenario(
        "event-loop-blocked",
        "The event loop of orders is blocked for 1.2 s of each 1.8.",
        lambda stage: stage.fault("orders", "block", seconds=1.2, pause_seconds=0.6),
        {"EventLoopBlocked": Due(345, 345), "SloBudgetBurnsFast": Due(1140, 90)},
        frozenset({"BreakerOpen", "SloBudgetBurnsSlowly"}),
    ),
    Scenario(
        "poison-message",
        "A message that cannot be read is published among the orders.",
        lambda stage: stage.poisoned("orders.created"),
        {"MessagesPutAside": Due(45, 30)},
    ),
    Scenario(
        "stuck-saga",
        "Inventory fails each message that asks to give stock back, so declined orders never end.",
        lambda stage: stage.fault("inventory", "handlers", subject="inventory.release", fails=True),
        {
            "SagaStuck": Due(225, 165),
            "MessagesPutAside": Due(120, 120),
            "SloBudgetBurnsFast": Due(360, 60),
        },
    ),
    Scenario(
        "retry-storm",
        "Orders answers no call, and customers try again and again without a budget.",
        lambda stage: _both(stage.fault("load", "impatience"), stage.fault("orders", "calls", fails=True)),
        {
            "RetryStorm": Due(360, 60),
            "SloBudgetBurnsFast": Due(240, 60),
            "BreakerOpen": Due(390, 60),
        },
        frozenset({"RetryBudgetSpent"}),
    ),
    Scenario(
        "bad-canary",
        "A canary of inventory gets a tenth of the calls and fails them; the gateway makes them again elsewhere.",
        lambda stage: _both(
            stage.fault("inventory-canary", "calls", fails=True),
            stage.canary("inventory", 10),
        ),
        {"CanaryBurns": Due(150, 60), "SloBudgetBurnsFast": Due(540, 75)},
    ),
    Scenario(
        "collector-down",
        "What takes the telemetry is stopped: of the shop itself nothing is known.",
        lambda stage: stage.without_collector(),
        {"BackendDown": Due(165, 45)},
    ),
)

SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
"""Every scenario by its name."""
