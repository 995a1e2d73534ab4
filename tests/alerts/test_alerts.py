"""Each alert fires when it should and only then, told by promtool on simulated clocks."""

from dataclasses import dataclass

import pytest
from alerting import ALERTS, called, changed_rules, delay, lag, outbox, promtool, saga, series, settled, weight

from mixin import infrastructure as of
from mixin import names
from mixin.generate import ROOT, RULE_FILES, RULES
from mixin.promql import equal, select
from mixin.slo import SLOS

pytestmark = pytest.mark.stack


@dataclass(frozen=True)
class Case:
    """What is there, minute by minute, and which alerts fire after so many minutes."""

    title: str
    series: dict[str, str]
    fires: tuple[dict[str, str], ...] = ()
    after: int = 20


def http(status="202", **labels):
    """The count of orders placed."""
    return series(
        names.HTTP_SERVER.count,
        **{names.SERVICE: "gateway", names.METHOD: "POST", names.ROUTE: "/orders", names.STATUS: status, **labels},
    )


def memory(service):
    return series(names.MEMORY.name, **{names.SERVICE: service, names.INSTANCE: "1"})


def sent(**labels):
    return series(names.SENT.name, **{names.SERVICE: "orders", names.DESTINATION: "events", **labels})


def lost(reason):
    return series(names.SPANS_PROCESSED.name, **{names.SERVICE: "orders", names.ERROR: reason})


def queue(name):
    return series(name, exporter="otlp_http/loki", data_type="logs")


def dead(service):
    return series(names.DEAD_LETTERS.name, **{names.SERVICE: service, names.DESTINATION: "orders.created"})


def rejected():
    return series(names.BREAKER_REJECTED.name, **{names.SERVICE: "gateway", names.BREAKER: "inventory"})


def retried(outcome):
    return series(
        names.RETRY_CALLS.name, **{names.SERVICE: "gateway", names.RETRY: "inventory", names.RETRY_OUTCOME: outcome}
    )


def versions(stable_failures, canary_failures, canary_weight=0.1):
    """Calls a minute to 1.0 and 1.1 of inventory, 900 and 100 without failure, and how many fail besides."""
    return {
        weight("1.0"): f"{1 - canary_weight:g}x40",
        weight("1.1"): f"{canary_weight:g}x40",
        called("1.0"): "0+900x40",
        called("1.1"): "0+100x40",
        called("1.0", **{names.ERROR: "UNKNOWN"}): f"0+{stable_failures}x40",
        called("1.1", **{names.ERROR: "UNKNOWN"}): f"0+{canary_failures}x40",
    }


def judged(verdict, reason):
    return series(
        names.CANARY_VERDICTS.name,
        **{
            names.TARGET: "inventory",
            names.TARGET_VERSION: "1.1",
            names.CANARY_VERDICT: verdict,
            names.CANARY_REASON: reason,
        },
    )


def of_canary(alert, **labels):
    return ({"alertname": alert, names.TARGET: "inventory", names.TARGET_VERSION: "1.1", **labels},)


def resent():
    return series(names.RETRY_RESENDS.name, **{names.SERVICE: "gateway", names.RETRY: "inventory"})


def pending():
    return series(names.POOL_PENDING.name, **{names.SERVICE: "orders", names.POOL: "sqlite"})


def events(bad_budgets):
    """Events of every SLO, so many times as many of them bad as its budget allows."""
    found = {}
    for slo in SLOS:
        bad = round(100_000 * (1 - slo.objective) * bad_budgets)
        count = select(slo.metric.count, *slo.matchers)
        if slo.within_seconds is None:
            found[count] = "0+100000x300"
            found[select(slo.metric.count, *slo.matchers, equal(names.ERROR, "500"))] = f"0+{bad}x300"
        else:
            # The same events count for availability: only the bucket is this SLO's own.
            found[select(slo.metric.bucket, *slo.matchers, equal("le", f"{slo.within_seconds:g}"))] = (
                f"0+{100_000 + round(100_000 * 0.001 * bad_budgets) - bad}x300"
            )
    return found


def burning(name):
    return tuple({"alertname": name, "slo": slo.name, names.SERVICE: slo.service} for slo in SLOS)


CASES = (
    Case("SLOs far beyond their budgets", events(20), burning("SloBudgetBurnsFast"), 180),
    Case("SLOs somewhat beyond their budgets", events(4), burning("SloBudgetBurnsSlowly"), 180),
    Case("SLOs within their budgets", events(0.5), (), 180),
    Case(
        "a service stops",
        {memory("orders"): "1x5 _x30", memory("payments"): "1x40"},
        ({"alertname": "ServiceSilent", names.SERVICE: "orders"},),
        12,
    ),
    Case("services report", {memory("orders"): "1x40", memory("payments"): "1x40"}),
    Case("a service is gone for long", {memory("orders"): "1x5 _x60"}, (), 40),
    Case(
        "a third of the messages is not taken",
        {sent(): "0+10x40", sent(**{names.ERROR: "TimeoutError"}): "0+5x40"},
        ({"alertname": "MessagesNotPublished", names.SERVICE: "orders"},),
    ),
    Case("one message of twenty is not taken", {sent(): "0+19x40", sent(**{names.ERROR: "TimeoutError"}): "0+1x40"}),
    Case(
        "orders are placed and none ends",
        {http(): "0+60x40", settled("confirmed"): "100x40"},
        ({"alertname": "OrdersNotSettled"},),
    ),
    Case("orders are placed and end", {http(): "0+60x40", settled("confirmed"): "0+50x40"}),
    Case("no order is placed", {http(): "60x40", settled("confirmed"): "50x40"}),
    Case("no order is taken", {http(): "60x40", http("503"): "0+60x40", settled("confirmed"): "50x40"}),
    Case(
        "orders do not end because the broker is away: told once",
        {
            http(): "0+60x40",
            settled("confirmed"): "100x40",
            sent(): "0+1x40",
            sent(**{names.ERROR: "TimeoutError"}): "0+5x40",
            outbox("orders"): "0+60x40",
        },
        ({"alertname": "MessagesNotPublished", names.SERVICE: "orders"},),
    ),
    Case(
        "most orders are cancelled",
        {settled("confirmed"): "0+10x40", settled("cancelled"): "0+30x40"},
        ({"alertname": "OrdersCancelled"},),
    ),
    Case("some orders are cancelled", {settled("confirmed"): "0+30x40", settled("cancelled"): "0+10x40"}),
    Case("all orders are confirmed", {settled("confirmed"): "0+30x40"}),
    Case(
        "messages wait in an outbox for more than half a minute",
        {outbox("orders"): "0x5 20+60x30", outbox("payments"): "0x40"},
        ({"alertname": "OutboxStalls", names.SERVICE: "orders"},),
        10,
    ),
    Case("messages wait in an outbox for some seconds", {outbox("orders"): "0 5 0 10 0 29 0 5 0 0 0 0"}, (), 10),
    Case(
        "a saga hangs",
        {saga(): "10x5 40+60x30"},
        ({"alertname": "SagaStuck", names.SAGA: "order"},),
        10,
    ),
    Case("a saga is compensated after a step timed out", {saga(): "10x5 40 70 2x30"}),
    Case(
        "orders settle late",
        {lag("10"): "0+50x40", lag("30"): "0+60x40", lag("60"): "0+90x40", lag("+Inf"): "0+100x40"},
        ({"alertname": "OrdersSettleLate"},),
    ),
    Case(
        "orders settle in time",
        {lag("10"): "0+99x40", lag("30"): "0+100x40", lag("60"): "0+100x40", lag("+Inf"): "0+100x40"},
    ),
    Case(
        "a message is put aside, the first ever",
        {dead("inventory"): "_x15 1x40", dead("payments"): "3x50"},
        ({"alertname": "MessagesPutAside", names.SERVICE: "inventory", names.DESTINATION: "orders.created"},),
    ),
    Case("a message was put aside long ago", {dead("inventory"): "7x50"}),
    Case(
        "a dependency is left alone",
        {rejected(): "0x5 0+60x40"},
        ({"alertname": "BreakerOpen", names.SERVICE: "gateway", names.BREAKER: "inventory"},),
    ),
    Case("a dependency was left alone for a moment", {rejected(): "0x5 20x40"}),
    Case(
        "more fails than may be retried",
        {retried("succeeded"): "0+50x40", retried("budget"): "0+30x40"},
        ({"alertname": "RetryBudgetSpent", names.SERVICE: "gateway", names.RETRY: "inventory"},),
    ),
    Case("retries are enough", {retried("succeeded"): "0+90x40", retried("budget"): "0+1x40"}),
    Case("a canary fails where the stable version does not", versions(0, 10), of_canary("CanaryBurns")),
    Case("canary and stable version fail alike: it is not the version", versions(90, 11)),
    Case("a canary fails as seldom as promised", versions(0, 1)),
    Case("a version that has all calls fails: the SLOs tell", versions(0, 10, canary_weight=1)),
    Case("a canary that gets no calls any more failed", versions(0, 10, canary_weight=0)),
    Case(
        "a canary is rolled back, the first ever",
        {judged("rollback", "failures"): "_x15 1x40", judged("promote", "held"): "_x15 1x40"},
        of_canary("CanaryRolledBack", **{names.CANARY_REASON: "failures"}),
    ),
    Case("a canary was rolled back long ago", {judged("rollback", "slower"): "1x40"}),
    Case(
        "each call is tried several times",
        {retried("succeeded"): "0+50x40", resent(): "_x5 0+100x40"},
        ({"alertname": "RetryStorm", names.SERVICE: "gateway", names.RETRY: "inventory"},),
    ),
    Case("retries keep to their budget", {retried("succeeded"): "0+50x40", resent(): "0+10x40"}),
    Case(
        "an instance takes more and more memory",
        {memory("orders"): "100e6+0x15 100e6+20e6x30", memory("payments"): "100e6x50"},
        ({"alertname": "MemoryGrows", names.SERVICE: "orders", names.INSTANCE: "1"},),
        30,
    ),
    Case("an instance takes more memory once, and little", {memory("orders"): "100e6+0x15 140e6x30"}, (), 30),
    Case("an instance has just started", {memory("orders"): "_x15 50e6 200e6x30"}, (), 27),
    Case(
        "all connections of a pool are taken",
        {pending(): "0x5 4x40"},
        ({"alertname": "ConnectionPoolExhausted", names.SERVICE: "orders", names.POOL: "sqlite"},),
    ),
    Case("requests wait for a connection now and then", {pending(): "0 3 0 1 0 5 0 0 2 0 1 0 0 3 0 1 0 1 0 1 0 0"}),
    Case(
        "sagas hang because their messages wait: told once",
        {saga(): "10+60x40", outbox("orders"): "0+60x40"},
        ({"alertname": "OutboxStalls", names.SERVICE: "orders"},),
    ),
    Case(
        "the event loop is blocked",
        {delay("orders"): "2x40"},
        ({"alertname": "EventLoopBlocked", names.SERVICE: "orders"},),
    ),
    Case("the event loop is slow now and then", {delay("orders"): "0.5x40"}),
    Case(
        "spans are dropped",
        {lost("queue_full"): "0x10 0+10x40", lost("shutdown"): "0x50"},
        ({"alertname": "TelemetryLost", names.SERVICE: "orders", names.ERROR: "queue_full"},),
    ),
    Case("spans were dropped once, long ago", {lost("queue_full"): "700x50"}),
    Case(
        "the Collector's queue is more than half full",
        {queue(of.COLLECTOR_QUEUE_SIZE): "600x40", queue(of.COLLECTOR_QUEUE_CAPACITY): "1000x40"},
        ({"alertname": "CollectorQueueFills", "exporter": "otlp_http/loki"},),
    ),
    Case(
        "the Collector's queue is in use",
        {queue(of.COLLECTOR_QUEUE_SIZE): "300x40", queue(of.COLLECTOR_QUEUE_CAPACITY): "1000x40"},
    ),
    Case(
        "a backend refuses records",
        {series(of.COLLECTOR_FAILED_LOGS, exporter="otlp_http/loki"): "0+5x40"},
        ({"alertname": "CollectorLosesTelemetry", "exporter": "otlp_http/loki"},),
    ),
    Case(
        "a backend refuses records once, the first ever",
        {series(of.COLLECTOR_FAILED_LOGS, exporter="otlp_http/loki"): "_x15 5x40"},
        ({"alertname": "CollectorLosesTelemetry", "exporter": "otlp_http/loki"},),
    ),
    Case("a backend refused records long ago", {series(of.COLLECTOR_FAILED_LOGS, exporter="otlp_http/loki"): "5x40"}),
    Case(
        "a backend is down",
        {series("up", job="loki", instance="a"): "1x5 0x40", series("up", job="collector", instance="b"): "1x50"},
        ({"alertname": "BackendDown", "job": "loki"},),
    ),
    Case(
        "backends are up; a service's page is not",
        {series("up", job="loki", instance="a"): "1x40", series("up", job="metrics-pages", instance="c"): "0x40"},
    ),
    Case(
        "the Collector is down: told once, though nothing is heard of any service",
        {
            series("up", job="collector", instance="b"): "1x5 0x40",
            memory("orders"): "1x5 _x40",
            memory("payments"): "1x5 _x40",
        },
        ({"alertname": "BackendDown", "job": "collector"},),
        12,
    ),
)

TOLD_APART_BY = (
    "alertname",
    "slo",
    names.SERVICE,
    names.ERROR,
    of.EXPORTER,
    of.JOB,
    names.SAGA,
    names.DESTINATION,
    names.BREAKER,
    names.RETRY,
    names.TARGET,
    names.TARGET_VERSION,
    names.CANARY_REASON,
    names.INSTANCE,
    names.POOL,
)


def in_promtools_words(case):
    """Write a case as promtool reads it: exactly these alerts fire."""
    return {
        "name": case.title,
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in case.series.items()],
        "promql_expr_test": [
            {
                "expr": f'count by ({", ".join(TOLD_APART_BY)}) (ALERTS{{alertstate="firing"}})',
                "eval_time": f"{case.after}m",
                "exp_samples": [
                    {"labels": select("", *(equal(*pair) for pair in labels.items())), "value": 1}
                    for labels in case.fires
                ],
            }
        ],
    }


def rule_files(case):
    """Which rules a case needs: those of SLOs take a second, so they are left out where no SLO is."""
    return RULE_FILES if case.title.startswith("SLOs") else ("symptoms.yaml",)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_exactly_the_expected_alerts_fire(tmp_path, case):
    """In each situation the alerts that should fire do, and no other."""
    code, words = promtool(
        tmp_path, [in_promtools_words(case)], [ROOT / RULES / file for file in rule_files(case)], "1m"
    )
    assert code == 0, words


def test_each_alert_has_a_case_that_fires_it_and_one_that_comes_close():
    """No alert is without proof that it can fire, and that it stays silent on the same series."""
    fired = {labels["alertname"] for case in CASES for labels in case.fires}
    assert fired == set(ALERTS)
    for name in ALERTS:
        loud = [case for case in CASES if any(labels["alertname"] == name for labels in case.fires)]
        looked_at = {each.partition("{")[0] for each in loud[0].series}
        silent = [case for case in CASES if not any(labels["alertname"] == name for labels in case.fires)]
        assert any(looked_at <= {each.partition("{")[0] for each in case.series} for case in silent), name


@pytest.mark.parametrize("name", [name for name in ALERTS if not name.startswith("Slo")])
def test_a_mutated_threshold_is_noticed(tmp_path, name):
    """With its expression turned to one that never holds, an alert's case fails: the cases can tell."""
    files = changed_rules(tmp_path, name, lambda expression: f"({expression}) > 1e12")
    case = next(case for case in CASES if any(labels["alertname"] == name for labels in case.fires))
    code, _ = promtool(tmp_path, [in_promtools_words(case)], files, "1m")
    assert code != 0
