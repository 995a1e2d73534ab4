"""What every pod is: small in rights, bounded, watched, from a pinned image, without a password of its own."""

import re
import tomllib

import yaml
from manifests import ROOT, WORKLOADS

OWN_IMAGE = "clew-shop"
BESIDE_COMPOSE = {"apache/kafka"}
"""Images of what compose.yaml has no need of."""
RESTRICTED = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def test_no_container_can_change_its_image_or_become_root(built):
    """Each has all of Pod Security's `restricted`, a read-only root file system, and a user that is not 0."""
    assert len(built.pods) >= 7
    for pod in built.pods:
        assert pod.container["securityContext"] == RESTRICTED, pod.name
        assert pod.spec["securityContext"]["runAsUser"] > 0, pod.name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec), pod.name
        assert not [volume for volume in pod.spec.get("volumes", []) if "hostPath" in volume], pod.name


def test_the_namespace_refuses_less(built):
    """Pod Security enforces `restricted` in the namespace, and everything is in that namespace."""
    (namespace,) = built.of("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    places = {one["metadata"].get("namespace") for one in built.documents if one is not namespace}
    assert places == {namespace["metadata"]["name"]}


def test_no_pod_knows_the_api_server_or_gets_variables_of_services(built):
    """No token is mounted; and no Service sets a variable, as one named gateway would set GATEWAY_PORT."""
    for pod in built.pods:
        assert pod.spec["automountServiceAccountToken"] is False, pod.name
        assert pod.spec["enableServiceLinks"] is False, pod.name


def test_what_a_container_uses_is_asked_for_and_its_memory_bounded(built):
    """CPU and memory are requested, memory has a limit."""
    for pod in built.pods:
        assert set(pod.container["resources"]["requests"]) == {"cpu", "memory"}, pod.name
        assert "memory" in pod.container["resources"]["limits"], pod.name


def test_each_container_is_watched(built):
    """Each has a probe for its start, its life and its readiness."""
    for pod in built.pods:
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(pod.container), pod.name


def test_images_are_those_of_compose(built):
    """Each image is the one of compose.yaml, by the same tag; the shop's has a version for a tag, and says it."""
    composed = {one["image"] for one in yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()}
    for pod in built.pods:
        image = pod.container["image"]
        name, _, tag = image.partition(":")
        assert re.fullmatch(r"v?\d[\w.-]*", tag), f"{image} is not pinned"
        if name == OWN_IMAGE:
            assert name in composed
            assert pod.labels["app.kubernetes.io/version"] == tag
        elif name not in BESIDE_COMPOSE:
            assert image in composed


def test_the_base_runs_this_version(build):
    """The base's shop is the version that this repository is."""
    version = tomllib.loads((ROOT / "demo-services/pyproject.toml").read_text())["project"]["version"]
    images = {pod.container["image"] for pod in build("base").pods if pod.is_of_the_shop}
    assert images == {f"{OWN_IMAGE}:{version}"}


def test_nothing_has_a_password_of_its_own(built):
    """No Secret is made, and what is called a password comes from one that somebody made."""
    assert built.of("Secret") == []
    for pod in built.pods:
        for variable in pod.container.get("env", []):
            if re.search("PASSWORD|SECRET|TOKEN|KEY", variable["name"]):
                from_secret = variable.get("valueFrom", {}).get("secretKeyRef")
                assert from_secret or variable["value"].startswith("/run/secrets/"), variable
        for name, value in built.variables(pod).items():
            assert not re.search(r"://[^/\s]*:[^/\s]*@", value or ""), f"{name} has a password in it"


def test_every_service_of_the_shop_is_scaled_and_never_all_gone(built):
    """Each Deployment has one autoscaler, and one budget of disruptions that lets all but one stay."""
    for deployment in built.of("Deployment"):
        name = deployment["metadata"]["name"]
        scalers = [one for one in built.of("HorizontalPodAutoscaler") if one["spec"]["scaleTargetRef"]["name"] == name]
        assert len(scalers) == 1, name
        assert "replicas" not in deployment["spec"], "each apply would undo the autoscaler"
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        budgets = [one for one in built.of("PodDisruptionBudget") if of_budget(one, labels)]
        assert [one["spec"]["maxUnavailable"] for one in budgets] == [1], name


def of_budget(budget, labels):
    """Whether a budget is about pods with these labels."""
    return budget["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_each_workload_takes_its_own_pods_alone(built):
    """A workload's selector takes the pods of its template and of no other."""
    for one in built.of(*WORKLOADS):
        taken = [pod.name for pod in built.selected(one["spec"]["selector"])]
        assert taken == [one["metadata"]["name"]]
