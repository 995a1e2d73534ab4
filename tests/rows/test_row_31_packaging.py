"""Row 31: one command to the first trace without Docker; images that are small in rights and have probes."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from stack.recipe import COLLECTOR_VERSION, GRAFANA_VERSION, LOKI_VERSION, PROMETHEUS_VERSION, TEMPO_VERSION

ROOT = Path(__file__).parents[2]
IMAGES = {
    "collector": f"otel/opentelemetry-collector-contrib:{COLLECTOR_VERSION}",
    "prometheus": f"prom/prometheus:v{PROMETHEUS_VERSION}",
    "loki": f"grafana/loki:{LOKI_VERSION}",
    "tempo": f"grafana/tempo:{TEMPO_VERSION}",
    "grafana": f"grafana/grafana:{GRAFANA_VERSION}",
}


@pytest.fixture(scope="module")
def services():
    """The services of compose.yaml."""
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


@pytest.mark.slow
def test_one_command_leads_to_the_first_trace_within_a_minute(tmp_path, free_port):
    """`clew demo` on an empty directory shows a trace of an order within 60 s, without Docker."""
    ports = ("GATEWAY_PORT", "CLEW_CONSOLE_PORT", "CLEW_CONSOLE_OTLP_HTTP_PORT", "CLEW_CONSOLE_OTLP_GRPC_PORT")
    environment = {**os.environ, **{name: str(free_port()) for name in ports}}
    url = f"http://127.0.0.1:{environment['CLEW_CONSOLE_PORT']}/api/search?q=%7Bname%3D%22POST%20%2Forders%22%7D"
    began = time.monotonic()
    program = Path(sys.executable).with_name("clew")
    with (tmp_path / "log").open("wb") as log:
        demo = subprocess.Popen([program, "demo", "--data", tmp_path / "data"], env=environment, stdout=log, stderr=log)
    try:
        while not found(url):
            assert demo.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() - began < 60
            time.sleep(0.1)
    finally:
        demo.terminate()
        demo.wait(20)


def found(url):
    """Whether a search finds a trace."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["traces"]
    except OSError:
        return False


def test_the_image_is_not_root_s():
    """The shop's image ends as a user of its own, is built in stages, and takes what uv.lock says."""
    text = (ROOT / "Dockerfile").read_text()
    last = text.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER (\d+):\d+$", last, re.MULTILINE).group(1) != "0"
    assert "uv sync --frozen" in text
    assert "uv" not in last.replace("/app", ""), "the tool that installs stays behind"
    (pinned,) = re.findall(r"uv==(\S+)", text)
    assert f'"uv=={pinned}"' in (ROOT / "pyproject.toml").read_text()


def test_every_service_of_the_shop_has_a_probe(services):
    """Each container of the shop has a health check and a read-only root file system."""
    own = {name: one for name, one in services.items() if one["image"] == "clew-shop"}
    assert set(own) == {"gateway", "orders", "inventory", "payments", "notifications", "load"}
    assert [name for name, one in own.items() if not one["healthcheck"]["test"] or not one["read_only"]] == []


def test_images_are_the_ones_that_were_tested(services):
    """compose.yaml names the versions that are built and tested without Docker, and none by a moving tag."""
    assert {name: services[name]["image"] for name in IMAGES} == IMAGES
    others = {one["image"] for one in services.values()} - {"clew-shop"}
    assert [image for image in others if ":" not in image or image.endswith(":latest")] == []


def test_every_service_of_the_shop_says_what_it_is(services):
    """Version, which is the shop's own, and role are on all that the containers send."""
    said = [one["environment"]["OTEL_RESOURCE_ATTRIBUTES"] for one in services.values() if one["image"] == "clew-shop"]
    assert len(said) == 6
    expected = f"service.version={version('clew-demo')},deployment.role=stable,"
    assert [text for text in said if not text.startswith(expected)] == []


def test_memory_adds_up_to_4_gib(services):
    """The memory limits of all containers together are at most 4 GiB."""
    limits = [
        int(one["mem_limit"].removesuffix("m")) * one.get("deploy", {}).get("replicas", 1) for one in services.values()
    ]
    assert sum(limits) <= 4096


def test_nothing_has_a_default_password():
    """No password is in a compose file: Grafana has no account, PostgreSQL's is made on the first start."""
    for name in ("compose.yaml", "compose.light.yaml"):
        text = (ROOT / name).read_text()
        assert not re.search(r"PASSWORD\s*[:=]", text)
    grafana = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["grafana"]["environment"]
    assert grafana["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert grafana["GF_USERS_VIEWERS_CAN_EDIT"] == "true"
