"""The overlay scale-out: that its parts agree with each other, and its Helm values with what was tested here."""

import re
from urllib.parse import parse_qsl

import pytest
import yaml
from manifests import KUBERNETES, ROOT
from shop.reliability.stream import Stream

from stack.recipe import LOKI_VERSION, TEMPO_VERSION

HELM = KUBERNETES / "overlays/scale-out/helm"
EXTRA_OF = {"kafka": "kafka", "amqp": "rabbitmq", "nats": None}
"""The extra of clew-demo that brings the client of a broker; NATS' is there without one."""


@pytest.fixture
def scale_out(build):
    """The overlay, built."""
    return build("overlays/scale-out")


def broker_url(built):
    """Return what the shop's pods have as BROKER_URL."""
    (pod,) = [pod for pod in built.pods if pod.name == "orders"]
    return built.variables(pod)["BROKER_URL"]


def test_the_image_has_the_client_of_the_broker(built):
    """The Dockerfile installs the extra that the broker's client is in."""
    extra = EXTRA_OF[broker_url(built).partition(":")[0]]
    assert extra is None or f"--extra {extra}" in (ROOT / "Dockerfile").read_text()


def test_topics_have_a_partition_for_each_replica_and_a_copy_on_each_broker(scale_out):
    """No reader is scaled beyond the partitions, and a broker may leave without a message lost or refused."""
    topics = dict(parse_qsl(broker_url(scale_out).partition("?")[2]))
    Stream(broker_url(scale_out), "orders")  # takes these options
    readers = [one for one in scale_out.of("HorizontalPodAutoscaler") if one["metadata"]["name"] != "gateway"]
    assert {one["spec"]["maxReplicas"] for one in readers} == {int(topics["partitions"])}
    brokers = scale_out.named("StatefulSet", "kafka")["spec"]["replicas"]
    properties = kafka_properties(scale_out)
    assert int(topics["replicas"]) == int(properties["default.replication.factor"]) == brokers
    assert int(properties["min.insync.replicas"]) == brokers - 1


def kafka_properties(built):
    """Return the settings of the brokers."""
    (pod,) = [pod for pod in built.pods if pod.name == "kafka"]
    (volume,) = [volume for volume in pod.spec["volumes"] if "configMap" in volume]
    text = built.named("ConfigMap", volume["configMap"]["name"])["data"]["kafka.properties"]
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))


def test_the_brokers_are_the_quorum(scale_out):
    """Each broker is a voter under the name that its pod has, and they listen where their ports are."""
    kafka, properties = scale_out.named("StatefulSet", "kafka"), kafka_properties(scale_out)
    name, service = kafka["metadata"]["name"], kafka["spec"]["serviceName"]
    voters = [f"{number}@{name}-{number}.{service}:9093" for number in range(kafka["spec"]["replicas"])]
    assert properties["controller.quorum.voters"] == ",".join(voters)
    (pod,) = [pod for pod in scale_out.pods if pod.name == "kafka"]
    assert {int(each.rpartition(":")[2]) for each in properties["listeners"].split(",")} == set(pod.ports.values())
    assert properties["log.dirs"].startswith(pod.container["volumeMounts"][1]["mountPath"])


def test_a_trace_goes_to_one_sampler(scale_out):
    """Agents choose among the addresses of all samplers, by trace id, and a caller reaches the agent of its node."""
    agent = next(pod for pod in scale_out.pods if pod.name == "agent")
    samplers = scale_out.named("Service", scale_out.variables(agent)["SAMPLER_HOST"])
    assert samplers["spec"]["clusterIP"] == "None"
    assert scale_out.named("Service", "collector")["spec"]["internalTrafficPolicy"] == "Local"
    assert (
        yaml.safe_load((ROOT / "collector/agent.yaml").read_text())["exporters"]["load_balancing"]["routing_key"]
        == "traceID"
    )
    assert not any(
        one["spec"]["scaleTargetRef"]["name"] == "sampler" for one in scale_out.of("HorizontalPodAutoscaler")
    )


def test_what_a_collector_may_hold_is_less_than_its_container(built):
    """The limiter of a Collector is below the limit of Go's runtime, and that below the container's."""
    defaults = (ROOT / "collector/collector.yaml").read_text()
    usual = re.search(r"COLLECTOR_MEMORY_MIB:-(\d+)", defaults)[1]
    for pod in built.pods:
        if "opentelemetry-collector" in pod.container["image"]:
            variables = built.variables(pod)
            held = int(variables.get("COLLECTOR_MEMORY_MIB", usual))
            limit = pod.container["resources"]["limits"]["memory"]
            most = int(limit[:-2]) * {"Mi": 1, "Gi": 1024}[limit[-2:]]
            assert held < int(variables["GOMEMLIMIT"].removesuffix("MiB")) < most * 0.85, pod.name


def test_helm_values_name_what_was_tested_and_no_password():
    """Tempo and Loki are the versions that are tested here; all three are on object storage, without a key to it."""
    tempo, loki, mimir = (yaml.safe_load((HELM / f"{name}.yaml").read_text()) for name in ("tempo", "loki", "mimir"))
    assert tempo["tempo"]["image"]["tag"] == TEMPO_VERSION
    assert loki["loki"]["image"]["tag"] == LOKI_VERSION
    assert tempo["storage"]["trace"]["backend"] == "s3"
    assert loki["loki"]["storage"]["type"] == "s3"
    assert mimir["mimir"]["structuredConfig"]["common"]["storage"]["backend"] == "s3"
    for path in HELM.glob("*.yaml"):
        names = "secret_?(?:access_?)?key|access_?key(?:_?id)?|password"
        keys = re.findall(rf"(?:{names}): *(\S+)", path.read_text(), re.IGNORECASE)
        assert len(keys) == 2
        assert all(re.fullmatch(r"\$\{[A-Z0-9_]+\}", key) for key in keys), f"{path.name}: {keys}"


def test_tempo_s_readers_are_as_many_as_its_topic_has_partitions():
    """What is in a partition without a block builder is never stored, without a live store not found while new."""
    tempo = yaml.safe_load((HELM / "tempo.yaml").read_text())
    partitions = tempo["ingest"]["kafka"]["auto_create_topic_default_partitions"]
    assert tempo["blockBuilder"]["replicas"] == tempo["liveStore"]["replicas"] == partitions


def test_labels_and_limits_of_logs_are_those_of_one_loki():
    """Loki in parts makes the same streams of the same lines as Loki in one process, and keeps them as long."""
    loki = yaml.safe_load((HELM / "loki.yaml").read_text())["loki"]["limits_config"]
    alone = yaml.safe_load((ROOT / "loki/loki.yaml").read_text())["limits_config"]
    for name in ("otlp_config", "retention_period", "max_structured_metadata_size"):
        assert loki[name] == alone[name], name


def test_labels_of_metrics_are_those_of_one_prometheus():
    """Mimir makes the same labels of a resource as Prometheus, and takes samples that are as late."""
    mimir = yaml.safe_load((HELM / "mimir.yaml").read_text())["mimir"]["structuredConfig"]["limits"]
    alone = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text())
    assert mimir["promote_otel_resource_attributes"].split(",") == alone["otlp"]["promote_resource_attributes"]
    assert mimir["out_of_order_time_window"] == alone["storage"]["tsdb"]["out_of_order_time_window"]
