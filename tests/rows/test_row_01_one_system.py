"""Row 1: logs, metrics and traces are one system."""

FIVE = {"gateway", "orders", "inventory", "payments", "notifications"}
DURATIONS = ("http.server.request.duration", "messaging.process.duration", "db.client.operation.duration")
"""A series keeps its newest exemplar of each bucket, so another trace may have taken the place in one of them."""
IDENTITY = ("service.name", "service.version", "service.instance.id")


def test_one_request_is_one_trace_with_logs_and_metrics_of_the_same_senders(
    place, backend, console, metric_points, eventually
):
    """One order leaves spans, log lines and metric points of each service, with one trace id and one identity each."""
    placed = place()
    senders = eventually(lambda: _complete(_of_spans(console, placed.trace_id)))
    logs = eventually(lambda: _complete(_of_logs(backend, placed.trace_id)))
    points = eventually(lambda: _complete(_of_points(metric_points, placed.trace_id)))
    assert all(all(identity) for identity in senders)
    assert len({version for _, version, _ in senders}) == 1
    # Two replicas of a service may have had a part each; what logs and metrics name has made spans too.
    assert logs <= senders
    assert points <= senders


def _complete(identities):
    return identities if {service for service, _, _ in identities} == FIVE else None


def _of_spans(console, trace_id):
    response = console.get(f"/api/traces/{trace_id}")
    batches = response.json()["batches"] if response.status_code == 200 else []
    resources = [{item["key"]: item["value"] for item in batch["resource"]["attributes"]} for batch in batches]
    return {tuple(resource[key]["stringValue"] for key in IDENTITY) for resource in resources}


def _of_logs(backend, trace_id):
    return {
        tuple(labels[key.replace(".", "_")] for key in IDENTITY)
        for labels, _ in backend.logs(f'{{service_name=~".+"}} | trace_id="{trace_id}"')
    }


def _of_points(metric_points, trace_id):
    return {
        tuple(point["resource"][key.replace(".", "_")] for key in IDENTITY)
        for name in DURATIONS
        for point in metric_points(name)
        if trace_id in {exemplar["trace_id"] for exemplar in point["exemplars"]}
    }
