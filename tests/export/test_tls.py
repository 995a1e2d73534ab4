"""Both exporters against servers that speak TLS, with and without client certificates."""

import ssl
import time
from pathlib import Path
from typing import NamedTuple

import grpc
import pytest
import trustme
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from instrumentation.encode.otlp import export_request, resource
from instrumentation.encode.otlp import scope as encoded_scope
from instrumentation.export.otlp_grpc import OtlpGrpcExporter
from instrumentation.export.otlp_http import OtlpHttpExporter
from instrumentation.settings import Settings
from instrumentation.signals.delivery import DELIVERED, Verdict

BODY = export_request(resource({"service.name": "shop"}), {encoded_scope("test"): [Span(name="a").SerializeToString()]})
PROTOCOLS = ["http/protobuf", "grpc"]


class Files(NamedTuple):
    """PEM files: of the authority, and of a client."""

    ca: str
    key: str
    chain: str
    both: str


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


@pytest.fixture(scope="module")
def files(ca, tmp_path_factory):
    client = ca.issue_cert("client@shop")
    directory = tmp_path_factory.mktemp("tls")
    (chain,) = client.cert_chain_pems
    content = {
        "ca": ca.cert_pem,
        "key": client.private_key_pem,
        "chain": chain,
        "both": client.private_key_and_cert_chain_pem,
    }
    for name, pem in content.items():
        pem.write_to_path(str(directory / name))
    return Files(*(str(directory / name) for name in Files._fields))


@pytest.fixture
def tls_receiver(ca, files, make_receiver, receiver_kinds):
    """Make a receiver of a protocol that speaks TLS; `mutual`: it wants a certificate of the client."""

    def make(protocol, *, mutual=False):
        certificate = ca.issue_cert("127.0.0.1")
        if protocol == "grpc":
            chain = b"".join(pem.bytes() for pem in certificate.cert_chain_pems)
            pairs = [(certificate.private_key_pem.bytes(), chain)]
            authority = ca.cert_pem.bytes() if mutual else None
            tls = grpc.ssl_server_credentials(pairs, authority, mutual)
        else:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            certificate.configure_cert(tls)
            if mutual:
                tls.load_verify_locations(files.ca)
                tls.verify_mode = ssl.CERT_REQUIRED
        return make_receiver(receiver_kinds[protocol], tls)

    return make


@pytest.fixture
def export():
    """Send one request with settings from the environment; returns the outcome."""
    made = []

    def do(protocol, **environ):
        prefix = "OTEL_EXPORTER_OTLP_"
        variables = {prefix + name: value for name, value in {"PROTOCOL": protocol, **environ}.items()}
        settings = Settings.from_env(variables)
        assert not settings.warnings
        if protocol == "grpc":
            made.append(OtlpGrpcExporter("traces", settings.traces, "1"))
        else:
            made.append(OtlpHttpExporter(settings.traces, "1"))
        return made[-1].export(BODY, time.monotonic() + 10)

    yield do
    for each in made:
        each.close()


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tls(tls_receiver, export, files, protocol, compression):
    """A server whose authority is in the file of CERTIFICATE is trusted."""
    receiver = tls_receiver(protocol)
    assert export(protocol, ENDPOINT=receiver.url, CERTIFICATE=files.ca, COMPRESSION=compression) == DELIVERED
    assert receiver.names() == ["a"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_unknown_authority(tls_receiver, export, protocol):
    """A server of an authority that nobody trusts gets nothing, and the reason says why."""
    receiver = tls_receiver(protocol)
    outcome = export(protocol, ENDPOINT=receiver.url)
    assert outcome.verdict is Verdict.RETRYABLE
    assert "certificate verify failed" in outcome.reason.lower().replace("_", " ")
    assert receiver.requests == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_mutual_tls(tls_receiver, export, files, protocol):
    """A server that wants a client certificate gets the one of CLIENT_CERTIFICATE and CLIENT_KEY, or of one file."""
    receiver = tls_receiver(protocol, mutual=True)
    common = {"ENDPOINT": receiver.url, "CERTIFICATE": files.ca}
    assert export(protocol, **common, CLIENT_KEY=files.key, CLIENT_CERTIFICATE=files.chain) == DELIVERED
    assert export(protocol, **common, CLIENT_CERTIFICATE=files.both) == DELIVERED
    assert export(protocol, **common).verdict is Verdict.RETRYABLE
    assert receiver.names() == ["a", "a"]


def test_bare_grpc_endpoint(tls_receiver, export, files):
    """A gRPC endpoint without a scheme is spoken to by TLS."""
    receiver = tls_receiver("grpc")
    assert export("grpc", ENDPOINT=f"127.0.0.1:{receiver.port}", CERTIFICATE=files.ca) == DELIVERED


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_broken_files(tls_receiver, export, files, tmp_path, protocol):
    """A file that is no PEM, or the wrong one, is a failed attempt, never an exception."""
    broken = tmp_path / "broken.pem"
    broken.write_text("no certificate")
    receiver = tls_receiver(protocol, mutual=True)
    common = {"ENDPOINT": receiver.url, "CERTIFICATE": files.ca}
    for wrong in (
        {"CERTIFICATE": str(broken)},
        {"CLIENT_KEY": str(broken), "CLIENT_CERTIFICATE": files.chain},
        {"CLIENT_KEY": files.key, "CLIENT_CERTIFICATE": files.ca},
    ):
        assert export(protocol, **{**common, **wrong}).verdict is Verdict.RETRYABLE, wrong
    assert receiver.requests == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_file_that_turns_up_later(tls_receiver, files, tmp_path, protocol):
    """Attempts fail, naming the file, until it can be read; then they deliver."""
    receiver, late = tls_receiver(protocol), tmp_path / "late.pem"
    settings = Settings.from_env({}, protocol=protocol, endpoint=receiver.url, certificate=str(late)).traces
    kind = {"grpc": lambda: OtlpGrpcExporter("traces", settings, "1")}
    exporter = kind.get(protocol, lambda: OtlpHttpExporter(settings, "1"))()
    outcome = exporter.export(BODY, time.monotonic() + 10)
    assert outcome.verdict is Verdict.RETRYABLE
    assert "late.pem" in outcome.reason
    late.write_bytes(Path(files.ca).read_bytes())
    assert exporter.export(BODY, time.monotonic() + 10) == DELIVERED
    exporter.close()
