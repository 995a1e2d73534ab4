"""Why signals were not sent, or not taken: asked of the settings and of the endpoint itself."""

import http.client
import socket
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from instrumentation.doctor.report import Finding, Hop
from instrumentation.doctor.request import SIGNALS, Marked
from instrumentation.settings import Settings, SignalSettings

TIMEOUT_SECONDS = 5.0
UNAUTHORISED, FORBIDDEN, ABSENT = 401, 403, 404
DEFAULT_PORTS = {"http": 80, "https": 443}


def sent(settings: Settings, marked: Marked) -> Hop:
    """Return the hop from the kit to the receiver of OTLP."""
    finding = None
    if (missing := marked.undelivered()) or not marked.sampled:
        finding = _why(settings, marked, missing)
    if finding is None:
        return Hop("send", f"three signals taken by {_of(settings, 'traces').endpoint}")
    said = f"not delivered: {', '.join(missing)}" if missing else "the request was not sampled"
    return Hop("send", said, (finding,))


def _why(settings: Settings, marked: Marked, missing: list[str]) -> Finding:
    off = [name for name in SIGNALS if "otlp" not in _of(settings, name).exporters]
    if off:
        names = ", ".join(f"OTEL_{name.upper()}_EXPORTER" for name in off)
        return Finding("exporter-off", f"no OTLP exporter for {', '.join(off)}", f"unset {names}, or set it to otlp")
    for name in missing:
        if (finding := _probe(name, _of(settings, name))) is not None:
            return finding
    if not marked.sampled:
        return Finding(
            "sampling",
            f"the sampler {settings.sampler} dropped the request, so it has neither trace nor exemplar",
            "OTEL_TRACES_SAMPLER=parentbased_always_on, or a larger OTEL_TRACES_SAMPLER_ARG",
        )
    return Finding(
        "otlp-refused",
        f"the receiver did not take {', '.join(missing)}: {dict(marked.books)}",
        "the lines of the kit above say how it answered",
    )


def _of(settings: Settings, signal: str) -> SignalSettings:
    return getattr(settings, signal)


def _probe(signal: str, settings: SignalSettings) -> Finding | None:
    """Send an empty request by hand and judge the answer."""
    parts = urlsplit(settings.endpoint)
    address = (parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 4317))
    try:
        socket.create_connection(address, TIMEOUT_SECONDS).close()
    except OSError as error:
        return Finding(
            "otlp-unreachable",
            f"nobody answers at {settings.endpoint}: {error}",
            "start the receiver, or set OTEL_EXPORTER_OTLP_ENDPOINT: HTTP is port 4318, gRPC port 4317",
        )
    is_grpc = settings.protocol == "grpc"
    status = _http_status(settings, f"http://{address[0]}:{address[1]}/v1/{signal}" if is_grpc else settings.endpoint)
    if (status > 0) is is_grpc:
        return _other_protocol(settings, is_grpc=is_grpc)
    return None if is_grpc else _refusal(signal, settings, status)


def _other_protocol(settings: SignalSettings, *, is_grpc: bool) -> Finding:
    speaks, is_asked = ("HTTP", "gRPC") if is_grpc else ("gRPC, or something else than HTTP", "HTTP")
    return Finding(
        "otlp-protocol",
        f"{settings.endpoint} speaks {speaks}, and is sent {is_asked}",
        "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf goes with port 4318, grpc with port 4317",
    )


def _refusal(signal: str, settings: SignalSettings, status: int) -> Finding | None:
    if status == ABSENT:
        return Finding(
            "collector-pipeline",
            f"{settings.endpoint} does not exist there: the Collector has no pipeline for {signal}",
            f"service.pipelines.{signal} with `receivers: [otlp]` in collector.yaml",
        )
    if status in (UNAUTHORISED, FORBIDDEN):
        return Finding(
            "otlp-unauthorised",
            f"{settings.endpoint} answers {status}",
            "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20... as the receiver asks",
        )
    return None


def _http_status(settings: SignalSettings, url: str) -> int:
    """Return the status of an empty export request over HTTP, 0 if that is not what is spoken there."""
    headers = {"Content-Type": "application/x-protobuf", **settings.headers}
    request = urllib.request.Request(url, data=b"", headers=headers, method="POST")  # noqa: S310 - an OTLP endpoint
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - an OTLP endpoint
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, http.client.HTTPException, ssl.SSLError):
        return 0
