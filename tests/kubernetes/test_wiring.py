"""That what the manifests name is there: variables, ports, paths, health services, addresses, and ways between them."""

import importlib
import re
from collections import UserDict
from pathlib import PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

import manifests
import pytest
import yaml
from manifests import ROOT
from shop.gateway.app import create_app
from shop.gateway.drain import GRACE_SECONDS
from shop.gateway.settings import Settings as GatewaySettings
from shop.reliability.discovery import RESOLVE_SECONDS

from instrumentation.settings import Settings as KitSettings
from instrumentation.settings import parameters

OF_THE_DATABASE_DRIVER = {"PGPASSWORD"}
"""What asyncpg reads by itself."""
PLAIN_ADDRESS = re.compile(r"(?:[a-z+]+://(?:\w+@)?|dns:///)?([a-z][\w.-]*?)(?::(\d+))?(?:[/?]\S*)?")
DEFAULT_PORTS = {"postgresql+asyncpg": 5432}


WITHIN = {("agent", "sampler", "otlp-grpc"), ("kafka", "kafka", "broker"), ("kafka", "kafka", "controller")}
"""Pairs that talk, by other configuration than the environment of a service: caller, called, and port."""


class Watched(UserDict):
    """An environment that remembers which variables were asked for."""

    def __init__(self, values):
        super().__init__(values)
        self.asked = set()

    def __getitem__(self, name):
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        self.asked.add(name)
        return self.data.get(name, default)


class Running(NamedTuple):
    """A pod of the shop, as its service sees itself.

    Attributes:
        pod: The pod.
        service: Name of what it runs.
        environment: Its variables; what only the cluster knows is empty.
        read: Names of those that its settings look for.
        settings: What they make of them.
    """

    pod: manifests.Pod
    service: str
    environment: dict
    read: set
    settings: object

    @property
    def kit(self):
        """What the kit makes of the environment."""
        return KitSettings.from_env({name: value for name, value in self.environment.items() if name in KIT})


def of_the_shop(built):
    """The shop's pods, as their services see themselves."""
    found = []
    for pod in built.pods:
        if pod.is_of_the_shop:
            *python, module = pod.container["command"]
            assert python == ["python", "-m"]
            environment = Watched({name: value or "" for name, value in built.variables(pod).items()})
            settings = importlib.import_module(f"{module}.settings").Settings.read(environment)
            service = module.removeprefix("shop.")
            found.append(Running(pod, service, environment.data, environment.asked, settings))
    return found


def kit_variables():
    """Return the name of every variable that the kit reads."""
    signals = {"TRACES": "BSP", "LOGS": "BLRP", "METRICS": ""}
    names = {name for parameter in parameters() for name in parameter.variables}
    return {
        name.replace("{SIGNAL}", signal).replace("{PROCESSOR}", word)
        for name in names
        for signal, word in signals.items()
    }


KIT = kit_variables()


def test_every_variable_is_one_that_somebody_reads(built):
    """What a service is given, it reads, or the kit or its driver does, or another variable is made of it.

    What all are given, some service reads.
    """
    shop = of_the_shop(built)
    for one in shop:
        (source,) = one.pod.container["envFrom"]
        shared = built.named("ConfigMap", source["configMapRef"]["name"])["data"]
        read = {name for other in shop for name in other.read if name in shared} | one.read
        made_of = set(re.findall(r"\$\((\w+)\)", " ".join(one.environment.values())))
        assert set(one.environment) - read - KIT - OF_THE_DATABASE_DRIVER - made_of == set(), one.pod.name


def test_variables_are_made_of_ones_that_come_before(built):
    """`$(NAME)` is replaced only where NAME is from a ConfigMap or stands further up."""
    for one in of_the_shop(built):
        known = set(one.environment) - {variable["name"] for variable in one.pod.container["env"]}
        for variable in one.pod.container["env"]:
            assert set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))) <= known, (one.pod.name, variable)
            known.add(variable["name"])


def test_the_resource_says_which_version_and_track_it_is(built):
    """All signals of all pods carry version, track, environment and where the pod is."""
    wanted = {"service.version", "deployment.role", "deployment.environment.name", "k8s.pod.name", "k8s.node.name"}
    for one in of_the_shop(built):
        assert wanted <= set(one.kit.resource_attributes), one.pod.name
        assert {"app.kubernetes.io/version", "track"} <= set(one.pod.labels), "the variables are made of these labels"


def test_containers_listen_where_they_say(built):
    """The ports of the shop's containers are the ones on which the settings have them listen, on all addresses."""
    for one in of_the_shop(built):
        listens = {}
        if one.service == "gateway":
            listens["http"] = (one.settings.host, one.settings.port)
        if grpc := getattr(one.settings, "grpc_address", None):
            host, _, port = grpc.partition(":")
            listens["grpc"] = (host, int(port))
        if "prometheus" in one.kit.metrics.exporters:
            listens["metrics"] = (one.kit.prometheus_host, one.kit.prometheus_port)
        assert {name: ("0.0.0.0", port) for name, port in one.pod.ports.items()} == listens, one.pod.name


def probes(pod):
    """The probes of a pod's container."""
    return [pod.container[f"{name}Probe"] for name in ("startup", "liveness", "readiness")]


def test_probes_ask_for_what_is_there(built):
    """Probes name a port of their container; the shop's name a path of the gateway or a health service that answers."""
    paths = {route.path for route in create_app(GatewaySettings()).routes}
    for pod in built.pods:
        for probe in probes(pod):
            port = next((probe[kind]["port"] for kind in ("httpGet", "tcpSocket", "grpc") if kind in probe), None)
            assert port is None or port in pod.ports or port in pod.ports.values(), (pod.name, probe)
            if pod.is_of_the_shop and "httpGet" in probe:
                assert probe["httpGet"]["path"] in paths
            if "grpc" in probe:
                assert probe["grpc"].get("service", "") in {"", health_service(pod.labels["app.kubernetes.io/name"])}


def health_service(name):
    """Return the name under which a service's health is asked for: its gRPC service's."""
    (service,) = importlib.import_module(f"shop.contracts.{name}_pb2").DESCRIPTOR.services_by_name.values()
    return service.full_name


def test_the_probes_of_the_gateway_tell_life_from_readiness(built):
    """A database that is away must not have the gateway killed: only readiness looks at what it depends on."""
    for one in of_the_shop(built):
        if one.service == "gateway":
            start, life, readiness = (probe["httpGet"]["path"] for probe in probes(one.pod))
            assert (start, life, readiness) == ("/health/live", "/health/live", "/health/ready")


def test_there_is_time_to_leave(built):
    """The grace period covers the wait before the signal, or the drain, the requests under way, and the last flush."""
    for one in of_the_shop(built):
        wait = one.pod.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        away = wait + getattr(one.settings, "drain_seconds", 0)
        needed = away + GRACE_SECONDS + one.kit.shutdown_seconds
        assert one.pod.spec["terminationGracePeriodSeconds"] >= needed + 5, one.pod.name
        if {"http", "grpc"} & set(one.pod.ports):
            assert away >= RESOLVE_SECONDS, f"{one.pod.name}: callers hear later than that that it leaves"


def test_every_service_leads_to_pods_that_listen(built):
    """Each Service selects pods, of one workload, and its ports are ports of theirs."""
    for service in built.of("Service"):
        (pod,) = built.selected(service["spec"]["selector"])
        for port in service["spec"]["ports"]:
            assert pod.ports[port["targetPort"]] == port["port"], service["metadata"]["name"]


def addresses(environment):
    """Host and port of each Service of the namespace that an environment names."""
    for name, value in environment.items():
        if name.endswith(("_ADDR", "_URL", "_ENDPOINT")) and value:
            for part in value.split(","):
                found = PLAIN_ADDRESS.fullmatch(part)
                assert found, f"{name}={value}"
                yield name, found[1], int(found[2] or DEFAULT_PORTS[urlsplit(value).scheme])


def test_every_address_is_a_service_s(built):
    """Each address in an environment of the shop is a Service's, with that port; gRPC's is one that knows each pod."""
    count = 0
    for one in of_the_shop(built):
        for name, host, port in addresses(one.environment):
            service = built.named("Service", host)
            assert service, f"{name}: no Service {host}"
            assert port in {each["port"] for each in service["spec"]["ports"]}, f"{name}: {host} has no port {port}"
            if one.environment[name].startswith("dns:///"):
                assert service["spec"]["clusterIP"] == "None", f"{host} would be one address, and nothing to balance"
            count += 1
    assert count > 10


def may_call(built, caller, called, port_name):
    """Whether the network policies let pods call pods on a port."""
    number = called.ports[port_name]

    def lets(direction, own, other):
        policies = [one["spec"] for one in built.of("NetworkPolicy") if direction.title() in one["spec"]["policyTypes"]]
        mine = [one for one in policies if manifests.selects(one["podSelector"], own.labels)]
        assert mine, "a policy that takes all pods forbids what no other allows"
        rules = [rule for policy in mine for rule in policy.get(direction) or ()]
        return any(of_port(rule, port_name, number) and of_peer(rule, direction, other) for rule in rules)

    return lets("egress", caller, called) and lets("ingress", called, caller)


def of_port(rule, name, number):
    """Whether a rule is about a port."""
    return any(one["port"] in {name, number} for one in rule["ports"])


def of_peer(rule, direction, other):
    """Whether a rule is about a pod of the same namespace."""
    peers = rule.get("from" if direction == "ingress" else "to")
    if peers is None:
        return True
    return any(
        "namespaceSelector" not in peer and manifests.selects(peer["podSelector"], other.labels) for peer in peers
    )


def test_the_network_lets_through_what_the_addresses_say_and_nothing_else(built):
    """Policies allow each address that an environment names, and no other pair of pods in the shop's namespace."""
    wanted, shop = set(), {pod.name for pod in built.pods if pod.is_of_the_shop}
    for one in of_the_shop(built):
        read = {name: value for name, value in one.environment.items() if name in one.read | KIT}
        for _, host, port in addresses(read):
            (called,) = built.selected(built.named("Service", host)["spec"]["selector"])
            (name,) = [name for name, number in called.ports.items() if number == port]
            wanted.add((one.pod.name, called.name, name))
    allowed = {
        (caller.name, called.name, port)
        for caller in built.pods
        for called in built.pods
        for port in called.ports
        if may_call(built, caller, called, port)
    }
    running = {pod.name for pod in built.pods}
    within = {pair for pair in WITHIN if {pair[0], pair[1]} <= running}
    # Everybody in the shop may use the edge, and the other form of OTLP.
    edge = {pair for pair in allowed if pair[2] == "http" or (pair[0] in shop and pair[2] == "otlp-grpc")}
    assert wanted | within <= allowed
    assert allowed - wanted - within - edge == set()


def test_the_collector_runs_files_that_are_there_and_listens_where_it_is_looked_for(built):
    """The files of its command line are in its ConfigMap, its variables in these files, its ports are theirs."""
    for pod in built.pods:
        if "opentelemetry-collector" not in pod.container["image"]:
            continue
        (volume,) = [one for one in pod.spec["volumes"] if "configMap" in one]
        data = built.named("ConfigMap", volume["configMap"]["name"])["data"]
        files = [PurePosixPath(argument.removeprefix("--config=")).name for argument in pod.container["args"]]
        text = "".join(data[file] for file in files)
        defaults = dict(re.findall(r"\$\{env:(\w+):-([^}]*)\}", text))
        unknown = set(built.variables(pod)) - set(defaults) - {"GOMEMLIMIT"}
        assert unknown == set(), pod.name
        ends = ("OTLP_GRPC_LISTEN", "OTLP_HTTP_LISTEN", "COLLECTOR_METRICS_PORT", "COLLECTOR_HEALTH_LISTEN")
        listens = {int(defaults[name].rpartition(":")[2]) for name in ends}
        assert set(pod.ports.values()) == listens, pod.name
        for file in files:
            assert yaml.safe_load(data[file]) == yaml.safe_load((ROOT / "collector" / file).read_text())


def test_monitors_find_pages(built):
    """Each ServiceMonitor selects Services that have its port, and each page of metrics is looked at by one."""
    looked_at = []
    for monitor in built.of("ServiceMonitor"):
        (endpoint,) = monitor["spec"]["endpoints"]
        services = [
            one
            for one in built.of("Service")
            if manifests.selects(monitor["spec"]["selector"], one["metadata"].get("labels", {}))
        ]
        assert services, monitor["metadata"]["name"]
        for service in services:
            assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
            looked_at += [pod.name for pod in built.selected(service["spec"]["selector"])]
    pages = {pod.name for pod in built.pods if pod.is_of_the_shop or "metrics" in pod.ports}
    assert pages == set(looked_at)


def test_the_canary_gets_a_share(build):
    """Weights add up to 100, most goes to the old version, and both are Services of different versions."""
    built = build("overlays/canary")
    (route,) = built.of("HTTPRoute")
    (rule,) = [one for one in route["spec"]["rules"] if "matches" not in one]
    weights = {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}
    assert sum(weights.values()) == 100
    assert weights["gateway"] > weights["gateway-canary"] > 0
    pods = {name: built.selected(built.named("Service", name)["spec"]["selector"]) for name in weights}
    assert len({pod.container["image"] for (pod,) in pods.values()}) == 2
    for backend in (backend for one in route["spec"]["rules"] for backend in one["backendRefs"]):
        assert backend["port"] in {port["port"] for port in built.named("Service", backend["name"])["spec"]["ports"]}
    (gateway,) = built.of("Gateway")
    (parent,) = route["spec"]["parentRefs"]
    assert (parent["name"], parent["sectionName"]) == (
        gateway["metadata"]["name"],
        gateway["spec"]["listeners"][0]["name"],
    )


@pytest.mark.parametrize("color", ["blue", "green"])
def test_each_color_can_be_switched_to(build, color):
    """The Service takes pods of one color; with the other in its selector it takes those, and nobody else's."""
    built = build("overlays/blue-green")
    selector = built.named("Service", "gateway")["spec"]["selector"]
    assert selector["track"] in {"blue", "green"}
    (pod,) = built.selected({**selector, "track": color})
    assert pod.name == f"gateway-{color}"
    assert built.selected({**selector, "track": "stable"}) == []
