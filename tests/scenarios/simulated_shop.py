"""The shop as Prometheus sees it, healthy for 70 minutes and then with a scenario's fault, in promtool's notation."""

from math import inf

from alerting import called, delay, lag, outbox, saga, series, settled, weight

from mixin import infrastructure as of
from mixin import names
from mixin.promql import equal, select
from mixin.slo import SLOS

STEP_SECONDS = 30
BEFORE_SECONDS = 70 * 60
"""Longer than the first window of the burn rates, which so has to forget an hour of health."""
LASTING_SECONDS = 20 * 60
MIB = 2**20
ORDERS = 4.0
"""Orders a second, a tenth of which is declined."""


def counted(before, *after, first=0.0):
    """Write a counter that grows so much a second, and from the fault on otherwise: (for seconds, a second) pairs."""
    return _pieces(first, (BEFORE_SECONDS, before), *_cut(after or ((inf, before),)))


def measured(value, *after):
    """Write a gauge that has a value, and from the fault on others: (for seconds, value, and growth a second)."""
    parts = [f"{value:g}+0x{_steps(BEFORE_SECONDS) - 1}"]
    for seconds, first, growth in _cut(after or ((inf, value, 0),)):
        parts.append(f"{first:g}+{growth * STEP_SECONDS:g}x{_steps(seconds) - 1}")
    return " ".join(parts)


def gone(before):
    """Write a gauge that is not told any more from the fault on."""
    return f"{before:g}+0x{_steps(BEFORE_SECONDS) - 1} _x{_steps(LASTING_SECONDS)}"


def born(after_seconds, a_second, first=1):
    """Write a counter whose first event is so many seconds after the fault began."""
    missing = _steps(BEFORE_SECONDS) + 1 + _steps(after_seconds)
    return f"_x{missing} {first:g}+{a_second * STEP_SECONDS:g}x{_steps(LASTING_SECONDS)}"


def _pieces(value, *pieces):
    parts = []
    for seconds, a_second in pieces:
        growth = a_second * STEP_SECONDS
        parts.append(f"{value:g}+{growth:g}x{_steps(seconds) - 1}")
        value += growth * _steps(seconds)
    return " ".join(parts)


def _cut(after):
    left = LASTING_SECONDS
    for seconds, *values in after:
        yield min(seconds, left), *values
        left -= min(seconds, left)


def _steps(seconds):
    return int(seconds // STEP_SECONDS)


def http(method, route, status="200", **more):
    labels = {names.METHOD: method, names.ROUTE: route, names.STATUS: status, **more}
    return series(names.HTTP_SERVER.count, **{names.SERVICE: "gateway", **labels})


def http_within(method, route, seconds):
    labels = {names.SERVICE: "gateway", names.METHOD: method, names.ROUTE: route, "le": f"{seconds:g}"}
    return series(names.HTTP_SERVER.bucket, **labels)


def calls(service, **more):
    return series(names.RPC_SERVER.count, **{names.SERVICE: service, **more})


def processed(service, **more):
    return series(names.PROCESS.count, **{names.SERVICE: service, **more})


def processed_in_time(service):
    return series(names.PROCESS.bucket, **{names.SERVICE: service, "le": "2.5"})


def memory(service, instance="1"):
    return series(names.MEMORY.name, **{names.SERVICE: service, names.INSTANCE: f"{service}-{instance}"})


def sent(service, **more):
    return series(names.SENT.name, **{names.SERVICE: service, names.DESTINATION: f"{service}.events", **more})


def pending(service):
    return series(names.POOL_PENDING.name, **{names.SERVICE: service, names.POOL: service})


def retried(service, name, outcome):
    labels = {names.SERVICE: service, names.RETRY: name, names.RETRY_OUTCOME: outcome}
    return series(names.RETRY_CALLS.name, **labels)


def resent(service, name):
    return series(names.RETRY_RESENDS.name, **{names.SERVICE: service, names.RETRY: name})


def rejected(name):
    return series(names.BREAKER_REJECTED.name, **{names.SERVICE: "gateway", names.BREAKER: name})


def dead(service, subject):
    return series(names.DEAD_LETTERS.name, **{names.SERVICE: service, names.DESTINATION: subject})


def up(component):
    return series(of.UP, job=component, instance=component)


FAILED = {names.ERROR: "Error"}
OWNERS = ("gateway", "orders", "inventory", "payments", "notifications")
WITH_OUTBOX = ("orders", "inventory", "payments")
RATES = {
    "place-order": ORDERS,
    "read-order": 3 * ORDERS,
    "list-products": 2 * ORDERS,
    "orders-calls": 4 * ORDERS,
    "inventory-calls": ORDERS,
    "orders-events": 2 * ORDERS,
    "inventory-events": ORDERS,
    "payments-events": ORDERS,
    "notifications-events": 2 * ORDERS,
}
"""Events a second by the first part of the names of SLOs."""


def healthy():
    """Return everything that any alert looks at, of a shop that is well."""
    return {
        **_promises(),
        **{memory(service): measured(100 * MIB) for service in (*OWNERS, "load")},
        memory("inventory", "2"): measured(100 * MIB),
        **{delay(service): measured(0.05) for service in OWNERS},
        **{pending(service): measured(0) for service in OWNERS},
        **{sent(service): counted(ORDERS) for service in WITH_OUTBOX},
        **{outbox(service): measured(0) for service in WITH_OUTBOX},
        saga(): measured(2),
        settled("confirmed"): counted(0.9 * ORDERS),
        settled("cancelled"): counted(0.1 * ORDERS),
        **{lag(le): counted(ORDERS) for le in ("10", "30", "60", "+Inf")},
        retried("gateway", "orders", "succeeded"): counted(4 * ORDERS),
        retried("gateway", "inventory", "succeeded"): counted(ORDERS),
        retried("load", "shop", "succeeded"): counted(6 * ORDERS),
        called("1.0.0"): counted(ORDERS),
        weight("1.0.0"): measured(1),
        weight("1.1.0"): measured(0),
        **{up(component): measured(1) for component in ("collector", "prometheus", "loki", "tempo")},
    }


def _promises():
    found = {}
    for slo in SLOS:
        rate = RATES[slo.name.rpartition("-")[0]]
        count = select(slo.metric.count, *slo.matchers)
        if slo.metric is names.HTTP_SERVER and slo.within_seconds is None:
            method, route = slo.attributes.values()
            count = http(method, route, "202" if method == "POST" else "200")
        if slo.within_seconds is None:
            found[count] = counted(rate)
        else:
            found[select(slo.metric.bucket, *slo.matchers, equal("le", f"{slo.within_seconds:g}"))] = counted(rate)
    return found


POST = ("POST", "/orders")
NO_ORDER_ENDS = {settled("confirmed"): counted(0.9 * ORDERS, (inf, 0)), settled("cancelled"): counted(0.4, (inf, 0))}
NO_ORDER_IS_TAKEN = {
    http(*POST, "202"): counted(ORDERS, (inf, 0)),
    http(*POST, "503", **FAILED): born(0, ORDERS),
    retried("load", "shop", "succeeded"): counted(6 * ORDERS, (inf, 2 * ORDERS)),
    rejected("orders"): born(30, 0.9 * ORDERS),
    retried("gateway", "orders", "succeeded"): counted(4 * ORDERS, (inf, 0)),
    retried("gateway", "orders", "permanent"): born(0, ORDERS),
    **NO_ORDER_ENDS,
}

FAULTS = {
    "payments-failing": {
        settled("confirmed"): counted(0.9 * ORDERS, (inf, 0)),
        settled("cancelled"): counted(0.1 * ORDERS, (30, 0), (inf, ORDERS)),
        processed("payments", **FAILED): counted(0, (inf, 5 * ORDERS)),
        processed_in_time("payments"): counted(ORDERS, (inf, 6 * ORDERS)),
        dead("payments", "inventory.reserved"): born(75, ORDERS),
        lag("10"): counted(ORDERS, (inf, 0)),
        lag("30"): counted(ORDERS, (inf, 0)),
        lag("60"): counted(ORDERS, (30, 0), (inf, ORDERS)),
        lag("+Inf"): counted(ORDERS, (30, 0), (inf, ORDERS)),
        saga(): measured(2, (30, 2, 1), (inf, 32, 0)),
    },
    "payments-declined": {
        settled("confirmed"): counted(0.9 * ORDERS, (inf, 0)),
        settled("cancelled"): counted(0.1 * ORDERS, (inf, ORDERS)),
    },
    "payments-slow": {processed_in_time("payments"): counted(ORDERS, (inf, 0)), saga(): measured(2, (inf, 5, 0))},
    "inventory-down": {
        memory("inventory"): gone(100 * MIB),
        memory("inventory", "2"): gone(100 * MIB),
        calls("inventory"): gone(5e4),
        processed("inventory"): gone(5e4),
        processed_in_time("inventory"): gone(5e4),
        sent("inventory"): gone(5e4),
        rejected("inventory"): born(0, 0.9 * ORDERS),
        retried("gateway", "inventory", "succeeded"): counted(ORDERS, (inf, 0)),
        retried("gateway", "inventory", "permanent"): born(0, ORDERS),
        saga(): measured(2, (inf, 2, 1)),
        **NO_ORDER_ENDS,
    },
    "broker-down": {
        **{sent(service): counted(ORDERS, (inf, 0)) for service in WITH_OUTBOX},
        sent("orders", **FAILED): born(0, 1 / 6),
        outbox("orders"): measured(0, (inf, 0, 1)),
        saga(): measured(2, (inf, 2, 1)),
        **NO_ORDER_ENDS,
    },
    "pool-exhausted": {
        pending("orders"): measured(0, (inf, 6, 0)),
        retried("load", "shop", "budget"): born(0, ORDERS),
        processed("orders", **FAILED): born(30, 0.5),
        processed("orders"): counted(2 * ORDERS, (inf, 0)),
        processed_in_time("orders"): counted(2 * ORDERS, (inf, 0)),
        http("GET", "/orders/{order_id}"): counted(3 * ORDERS, (inf, 0)),
        http_within("GET", "/orders/{order_id}", 0.25): counted(3 * ORDERS, (inf, 0)),
        **NO_ORDER_IS_TAKEN,
    },
    "memory-leak": {memory("inventory"): measured(100 * MIB, (60, 100 * MIB, 8 * MIB), (inf, 612 * MIB, 0))},
    "event-loop-blocked": {
        delay("orders"): measured(0.05, (inf, 1.2, 0)),
        http_within("GET", "/orders/{order_id}", 0.25): counted(3 * ORDERS, (inf, 1.4 * ORDERS)),
        http_within(*POST, 0.5): counted(ORDERS, (inf, 0.6 * ORDERS)),
    },
    "poison-message": {
        dead("inventory", "orders.created"): born(0, 0),
        processed("inventory", **FAILED): born(0, 0),
    },
    "stuck-saga": {
        saga(): measured(2, (inf, 2, 1)),
        settled("cancelled"): counted(0.1 * ORDERS, (inf, 0)),
        processed("inventory", **FAILED): counted(0, (inf, ORDERS)),
        processed_in_time("inventory"): counted(ORDERS, (inf, 2 * ORDERS)),
        dead("inventory", "inventory.release"): born(75, 0.1 * ORDERS),
    },
    "retry-storm": {
        **NO_ORDER_IS_TAKEN,
        http(*POST, "503", **FAILED): born(0, 4 * ORDERS),
        retried("load", "shop", "attempts"): born(0, ORDERS),
        resent("load", "shop"): born(0, 3 * ORDERS),
    },
    "bad-canary": {
        weight("1.0.0"): measured(1, (inf, 0.9, 0)),
        weight("1.1.0"): measured(0, (inf, 0.1, 0)),
        called("1.1.0", **FAILED): born(0, 0.1 * ORDERS),
        calls("inventory", **FAILED): born(0, 0.1 * ORDERS),
        resent("gateway", "inventory"): born(0, 0.1 * ORDERS),
    },
    "collector-down": {
        **{
            each: f"{values.partition(' ')[0]} _x{LASTING_SECONDS // STEP_SECONDS}"
            for each, values in healthy().items()
        },
        **{up(component): measured(1) for component in ("prometheus", "loki", "tempo")},
        up("collector"): measured(1, (inf, 0, 0)),
    },
}
"""What is otherwise than in a shop that is well, by scenario."""


def with_fault(scenario):
    """Return all series of a shop that has a scenario's fault after BEFORE_SECONDS."""
    return {**healthy(), **FAULTS[scenario]}
