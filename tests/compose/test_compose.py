"""compose.yaml as it is brought up: health, users, memory, volumes, and what a second `up` keeps."""

import time

import httpx
import pytest

from stack.composed import OWN_IMAGE, service_of

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]

ONCE = {"secrets"}
WITHOUT_HEALTH_CHECK = {"collector", "nats", *ONCE}  # no shell and no client in their images
MOST_MEMORY_BYTES = 4 * 1024**3
COME_AGAIN = {503, 504}
"""What the gateway answers when a service behind it takes too long, as on a machine that starts two shops."""


@pytest.fixture(params=["composed", "composed_light"], scope="module")
def each(request):
    """Each compose file, brought up."""
    return request.getfixturevalue(request.param)


def of(container, *path):
    """Look a path of keys up."""
    for key in path:
        container = container[key]
    return container


def test_all_is_healthy(each):
    """All services run and are healthy; what runs once has ended well; inventory and payments run twice."""
    state = {}
    for container in each.containers():
        health = container["State"].get("Health", {}).get("Status", "no check")
        state.setdefault(service_of(container), []).append((container["State"]["Status"], health))
    assert {service for service, found in state.items() if found[0][1] == "no check"} <= WITHOUT_HEALTH_CHECK
    wrong = {
        service: found
        for service, found in state.items()
        if service not in ONCE and any(one not in {("running", "healthy"), ("running", "no check")} for one in found)
    }
    assert wrong == {}
    assert [of(one, "State", "ExitCode") for one in each.containers() if service_of(one) in ONCE] == [0]
    assert (len(state["inventory"]), len(state["payments"])) == (2, 2)


def test_nobody_is_root(each):
    """No process of a service that goes on runs as root, and none may become it."""
    users = {}
    for container in each.containers():
        if container["State"]["Running"]:
            (pid,) = [of(container, "State", "Pid")]
            with open(f"/proc/{pid}/status") as status:  # noqa: PTH123
                (uid,) = [int(line.split()[1]) for line in status if line.startswith("Uid:")]
            users[service_of(container)] = uid
            assert "no-new-privileges:true" in of(container, "HostConfig", "SecurityOpt")
            assert of(container, "HostConfig", "CapDrop") == ["ALL"]
    assert {service for service, uid in users.items() if uid == 0} == set()


def test_the_shop_cannot_write_to_its_image(each):
    """The shop's containers have a read-only root file system."""
    own = [one for one in each.containers() if of(one, "Config", "Image") == OWN_IMAGE]
    assert len(own) >= 8
    assert all(of(one, "HostConfig", "ReadonlyRootfs") for one in own)


def test_memory_is_bounded(composed):
    """Each service has a limit, all together at most 4 GiB, Grafana too, and none has met its own."""
    services = composed.configuration()["services"]
    limits = {
        name: int(one["mem_limit"]) * int(one.get("deploy", {}).get("replicas", 1)) for name, one in services.items()
    }
    assert sum(limits.values()) <= MOST_MEMORY_BYTES
    assert [service_of(one) for one in composed.containers() if of(one, "State", "OOMKilled")] == []
    assert [service_of(one) for one in composed.containers() if of(one, "HostConfig", "Memory") == 0] == []
    assert [service_of(one) for one in composed.containers() if one["RestartCount"]] == []


def test_ports_are_on_loopback(each):
    """What is published is reachable from this machine alone."""
    ports = [port for one in each.configuration()["services"].values() for port in one.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}


def test_the_collector_is_healthy(composed):
    """The Collector, which cannot be probed from inside, answers on its published port."""
    assert httpx.get(composed.url("COLLECTOR_HEALTH_PORT"), timeout=5).status_code == 200


def test_prometheus_sees_everything(composed):
    """All targets that run are up, and metrics of all services have come by OTLP."""
    up, names = {}, set()

    def complete():
        answer = httpx.get(f"{composed.url('PROMETHEUS_PORT')}/api/v1/query", params={"query": "up"}, timeout=5).json()
        up.update(
            {one["metric"].get("service") or one["metric"]["job"]: one["value"][1] for one in answer["data"]["result"]}
        )
        query = {"query": "count by (service_name) (process_memory_usage_bytes)"}
        answer = httpx.get(f"{composed.url('PROMETHEUS_PORT')}/api/v1/query", params=query, timeout=5).json()
        names.update(one["metric"]["service_name"] for one in answer["data"]["result"])
        down = {name for name, value in up.items() if value != "1"} - set(composed.skipped)
        return not down and names >= {"gateway", "orders", "inventory", "payments", "notifications", "load"}

    deadline = time.monotonic() + 60
    while not complete():
        assert time.monotonic() < deadline, (up, names)
        time.sleep(1)


def order(gateway_url):
    """Place an order and wait for its end; return it and its trace's id."""
    with httpx.Client(base_url=gateway_url, timeout=20) as gateway:
        answer = gateway.post("/orders", json={"customer_id": "ann", "items": [{"sku": "horn", "quantity": 1}]})
        assert answer.status_code == 202, answer.text
        deadline = time.monotonic() + 90
        while True:
            found = gateway.get(f"/orders/{answer.json()['order_id']}")
            if found.status_code == 200 and found.json()["status"] != "pending":
                return found.json(), answer.headers["traceresponse"][3:35]
            assert found.status_code in {200, *COME_AGAIN}, found.text
            assert time.monotonic() < deadline, found.text
            time.sleep(0.1)


def test_the_light_stack_shows_an_order(composed_light):
    """On compose.light.yaml an order's trace is in the console, with spans of all five services."""
    found, trace_id = order(composed_light.url("GATEWAY_PORT"))
    assert found["status"] == "confirmed"
    deadline = time.monotonic() + 30
    while True:
        text = httpx.get(f"{composed_light.url('CLEW_CONSOLE_PORT')}/api/traces/{trace_id}", timeout=5).text
        if all(f'"{name}"' in text for name in ("gateway", "orders", "inventory", "payments", "notifications")):
            return
        assert time.monotonic() < deadline, text[:500]
        time.sleep(0.5)


def test_a_second_up_keeps_the_data(composed):
    """After `down` and `up` the order, its log lines and its trace are there as before, and a new order works."""
    before, trace_id = order(composed.url("GATEWAY_PORT"))
    lines = {"query": f'{{service_name="gateway"}} | trace_id="{trace_id}"'}
    wait_for_lines(composed, lines)
    composed.down()
    composed.up()
    assert httpx.get(f"{composed.url('GATEWAY_PORT')}/orders/{before['order_id']}", timeout=20).json() == before
    wait_for_lines(composed, lines)
    if "tempo" not in composed.skipped:
        assert httpx.get(f"{composed.url('TEMPO_PORT')}/api/traces/{trace_id}", timeout=10).status_code == 200
    assert order(composed.url("GATEWAY_PORT"))[0]["status"] == "confirmed"


def wait_for_lines(composed, query):
    """Wait until Loki has a trace's lines."""
    deadline = time.monotonic() + 60
    while True:
        answer = httpx.get(f"{composed.url('LOKI_PORT')}/loki/api/v1/query_range", params=query, timeout=10)
        if answer.status_code == 200 and answer.json()["data"]["result"]:
            return
        assert time.monotonic() < deadline, answer.text
        time.sleep(1)
