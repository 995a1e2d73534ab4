"""Loki with its chunks and index in an object storage instead of a directory."""

import shutil
import time
import urllib.request

import httpx
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from stack.native import Backends, Plan
from stack.object_storage import ObjectStorage
from stack.reader import Reader

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SELECTOR = '{service_name="stored"}'
LINES = 20


@pytest.fixture
def loki(tmp_path):
    """Loki alone, which stores what it is sent in an object storage."""
    with ObjectStorage(tmp_path / "storage", "logs") as storage:
        environment = {
            "LOKI_OBJECT_STORE": "s3",
            "LOKI_S3_ENDPOINT": storage.endpoint,
            "LOKI_S3_REGION": "none",
            "LOKI_S3_BUCKET": "logs",
            "LOKI_S3_ACCESS_KEY_ID": storage.access_key_id,
            "LOKI_S3_SECRET_ACCESS_KEY": storage.secret_access_key,
            "LOKI_S3_INSECURE": "true",
        }
        backends = Backends(Plan(tmp_path / "backends", environment=environment))
        try:
            backends.start("loki")
            yield backends
        finally:
            backends.stop()


def send(url):
    """Send log records to Loki."""
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "stored"
    records = resource.scope_logs.add().log_records
    for number in range(LINES):
        record = records.add(time_unix_nano=time.time_ns() + number, trace_id=bytes([number + 1] * 16))
        record.body.string_value = f"line {number}"
    headers = {"content-type": "application/x-protobuf"}
    asked = urllib.request.Request(f"{url}/otlp/v1/logs", request.SerializeToString(), headers)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.status < 300


def lines(url):
    """Return the stored lines with their trace ids."""
    reader = Reader("", url)
    found = [(line, labels["trace_id"]) for labels, line in reader.logs(SELECTOR)]
    reader.close()
    return sorted(found)


def test_logs_outlive_the_directory(loki, eventually):
    """What was in the object storage is found by a Loki that starts with an empty directory."""
    url = loki.url("loki")
    send(url)
    eventually(lambda: len(lines(url)) == LINES, 30)
    stored = lines(url)
    httpx.post(f"{url}/flush", timeout=30).raise_for_status()
    loki.halt("loki")  # it stores its index when it ends
    shutil.rmtree(loki.plan.directory / "loki")
    loki.start_again("loki")
    eventually(lambda: len(lines(url)) == LINES, 60)
    assert lines(url) == stored
