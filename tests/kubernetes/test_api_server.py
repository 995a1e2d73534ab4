"""What an API server of Kubernetes v1.37 says of the manifests: fields, values, rules, Pod Security."""

import json
import re
import subprocess

import pytest
import yaml
from manifests import BUILDS, KUBERNETES, ROOT, WORKLOADS, build

from stack.recipe import KUBERNETES_VERSION

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300)]


def apply(server, build_name, *options):
    """Apply a build; nothing is refused, and there is nothing to be warned of."""
    done = server.kubectl("apply", "--kustomize", KUBERNETES / build_name, "--validate=strict", *options)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


def test_server_and_client_are_the_ones_that_were_built(api_server):
    """Both say that they are the version that the recipes name."""
    said = json.loads(api_server.kubectl("version", "--output=json").stdout)
    assert {said[who]["gitVersion"] for who in ("clientVersion", "serverVersion")} == {KUBERNETES_VERSION}


@pytest.mark.parametrize("name", BUILDS)
def test_every_build_is_valid(api_server, name):
    """Each document of each build passes strict validation, by the server, without a warning."""
    lines = apply(api_server, name, "--dry-run=server")
    assert len(lines) == len(build(name).documents)
    assert [line for line in lines if not line.endswith("(server dry run)")] == []


@pytest.mark.parametrize("name", BUILDS[1:])
def test_an_overlay_is_applied_over_the_running_base_and_the_base_again_over_it(api_server, name):
    """Nothing that may not be changed is changed on the way, or on the way back."""
    apply(api_server, "base")
    apply(api_server, name)
    lines = apply(api_server, "base")
    assert {line.rpartition(" ")[2] for line in lines} <= {"unchanged", "configured"}


@pytest.mark.parametrize("name", BUILDS)
def test_pod_security_admits_every_pod(api_server, name):
    """A pod of each workload is admitted to the namespace, which enforces `restricted`."""
    for pod in pods(name):
        done = create(api_server, pod)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_pod_security_refuses_a_pod_that_may_be_root(api_server):
    """The same pods, each with less than is asked for, are refused: it is enforced."""
    for pod in pods("base"):
        del pod["spec"]["containers"][0]["securityContext"]["runAsNonRoot"]
        assert 'violates PodSecurity "restricted' in create(api_server, pod).stderr


def pods(name):
    """A pod of each workload of a build; its volumes that a claim would be made for are left out."""
    for one in build(name).of(*WORKLOADS):
        template = yaml.safe_load(yaml.safe_dump(one["spec"]["template"]))
        claimed = {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])}
        container = template["spec"]["containers"][0]
        container["volumeMounts"] = [m for m in container.get("volumeMounts", []) if m["name"] not in claimed]
        metadata = {**template["metadata"], "name": one["metadata"]["name"], "namespace": "shop"}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def create(server, document):
    """Have the server look at a document, and not keep it."""
    return server.kubectl("create", "--dry-run=server", "--validate=strict", "--filename=-", given=json.dumps(document))


@pytest.mark.parametrize(
    ("kind", "change", "complaint"),
    [
        (
            "Deployment",
            ("readinessProbe", "readinesProbe"),
            'unknown field "spec.template.spec.containers[0].readinesProbe"',
        ),
        ("HTTPRoute", ("weight", "wieght"), 'unknown field "spec.rules[1].backendRefs[0].wieght"'),
        ("HTTPRoute", ('"weight": 95', '"weight": -1'), "should be greater than or equal to 0"),
        ("HTTPRoute", ('"port": 8000, ', ""), "Must have port for Service reference"),
        ("ServiceMonitor", ("scrapeProtocols", "scrapeProtocol"), 'unknown field "spec.scrapeProtocol"'),
        ("ServiceMonitor", ("OpenMetricsText1.0.0", "OpenMetrics"), "Unsupported value"),
        ("PodDisruptionBudget", ('"maxUnavailable": 1', '"maxUnavailable": -1'), "must be greater than or equal to 0"),
    ],
)
def test_what_is_wrong_is_refused_by_name(api_server, kind, change, complaint):
    """A misspelt field, a value out of range, a broken rule: the server knows each, so its silence says much."""
    documents = map(json.dumps, build("overlays/canary").of(kind))
    document = next(text for text in documents if change[0] in text)
    done = create(api_server, json.loads(document.replace(*change)))
    assert done.returncode != 0
    assert complaint in done.stderr


def test_the_commands_that_the_overlays_tell_work(api_server):
    """The commands in the comments move the weights, and switch the color."""
    apply(api_server, "overlays/canary")
    told(api_server, "overlays/canary/route.yaml")
    route = json.loads(api_server.kubectl("-n", "shop", "get", "httproute", "gateway", "--output=json").stdout)
    assert [one["weight"] for one in route["spec"]["rules"][1]["backendRefs"]] == [75, 25]
    apply(api_server, "overlays/blue-green")
    told(api_server, "overlays/blue-green/live.yaml")
    service = json.loads(api_server.kubectl("-n", "shop", "get", "service", "gateway", "--output=json").stdout)
    assert service["spec"]["selector"]["track"] == "green"


def told(server, file):
    """Run the kubectl command that a file's comment tells."""
    comment = " ".join(re.findall(r"^# *(.*)$", (KUBERNETES / file).read_text(), re.MULTILINE))
    (_, resource), patch = (
        re.search(r"kubectl -n (\w+) patch (\w+ \w+)", comment).groups(),
        re.search("'(.*)'", comment)[1],
    )
    kind = ("--type=json",) if "--type=json" in comment else ()
    done = server.kubectl("-n", "shop", "patch", *resource.split(), *kind, "-p", patch)
    assert done.returncode == 0, done.stderr


def test_the_command_that_wraps_the_rules_works(api_server):
    """The command in docs/kubernetes.md makes of the rule files what the Prometheus Operator takes, all of it."""
    page = (ROOT / "docs/kubernetes.md").read_text()
    loop = re.search(r"```\n(for rules in .*?)\| kubectl -n shop apply -f -\n", page, re.DOTALL)[1]
    wrapped = subprocess.run(["sh", "-c", loop], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    done = api_server.kubectl("-n", "shop", "apply", "--validate=strict", "-f", "-", given=wrapped)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(api_server.kubectl("-n", "shop", "get", "prometheusrules", "--output=json").stdout)
    kept = {one["metadata"]["name"]: one["spec"] for one in said["items"]}
    assert kept == {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / "prometheus/rules").glob("*.yaml")}
