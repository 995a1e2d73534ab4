"""Send export requests by OTLP/gRPC: encoded bytes in, bytes out, over one channel; no generated stubs.

Imports grpcio, so it is imported only where the protocol is chosen. Proxy variables are not read, as with OTLP/HTTP;
gRPC's own retries are off, since the pipeline has its own and counts each attempt.
"""

import importlib
import os
from collections.abc import Callable
from inspect import unwrap
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import grpc

from instrumentation.export.deadline_socket import left_seconds
from instrumentation.export.grpc_status import judge
from instrumentation.export.partial_success import partial_success
from instrumentation.settings import SignalSettings
from instrumentation.signals.delivery import Outcome, Verdict

# What grpcio imports with its first channel, in the flusher's thread: a process that forks meanwhile leaves its child a
# module that it waits for, for ever.
importlib.import_module("grpc._channel")

METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}

_parents_channels: list[grpc.Channel] = []
"""Channels that a forked child must neither use nor close: what closes them does not run in a child."""


class OtlpGrpcExporter:
    """Exporter of one signal; see `instrumentation.signals.delivery.Exporter`.

    Args:
        signal: `traces`, `logs` or `metrics`.
        settings: Endpoint, headers, compression and TLS files. Files are read at each new channel.
        version: The kit's own, for the User-Agent.
    """

    def __init__(self, signal: str, settings: SignalSettings, version: str) -> None:
        self._method = METHODS[signal]
        self._settings = settings
        self._target, self._secure = target_of(settings.endpoint, insecure=settings.insecure)
        self._metadata = tuple(_header(name.lower(), value) for name, value in settings.headers.items())
        self._compression = grpc.Compression.Gzip if settings.compression == "gzip" else None
        self._options = [
            ("grpc.primary_user_agent", f"OTel-OTLP-Exporter-Python/{version} clew/{version}"),
            ("grpc.enable_retries", 0),
            ("grpc.enable_http_proxy", 0),
            # Else a new channel would inherit the back-off of one that failed, up to two minutes.
            ("grpc.use_local_subchannel_pool", 1),
            # The receiver's limit counts: it answers RESOURCE_EXHAUSTED, and the batch is halved.
            ("grpc.max_send_message_length", -1),
        ]
        self._channel: grpc.Channel | None = None
        self._call: grpc.UnaryUnaryMultiCallable[bytes, bytes] | None = None
        self._pid = os.getpid()

    def export(self, body: bytes, deadline: float) -> Outcome:
        """Send one request. Give up at `deadline`, a `time.monotonic()` value that bounds the attempt as a whole."""
        self._forget_parent()
        try:
            answer = self._connected()(body, timeout=left_seconds(deadline), metadata=self._metadata)
        except grpc.RpcError as error:
            return self._failed(cast("grpc.Call", error))
        except (OSError, ValueError) as error:  # a file that cannot be read; a channel that `close` closed just now
            return Outcome(Verdict.RETRYABLE, reason=f"{type(error).__name__}: {error}{self._at()}")
        rejected, message = partial_success(answer)
        return Outcome(Verdict.DELIVERED, rejected, reason=message)

    def close(self) -> None:
        """Let go of the channel; an attempt under way in another thread is broken off."""
        self._forget_parent()
        channel, self._channel, self._call = self._channel, None, None
        if channel is not None:
            channel.close()

    def _failed(self, error: grpc.Call) -> Outcome:
        code = error.code()
        if code is grpc.StatusCode.UNAVAILABLE:
            self.close()  # the next attempt connects anew at once, whatever this channel's back-off is
        outcome = judge(code.name, error.details() or "", cast("Any", error.trailing_metadata()) or ())
        return outcome._replace(reason=outcome.reason + self._at())

    def _at(self) -> str:
        return f" ({self._target})"

    def _forget_parent(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            if self._channel is not None:
                _parents_channels.append(self._channel)
            self._channel = self._call = None

    def _connected(self) -> "grpc.UnaryUnaryMultiCallable[bytes, bytes]":
        if self._call is None:
            self._channel = self._new_channel()
            # Without serializers bytes go out and come in as they are.
            self._call = self._channel.unary_unary(self._method)
        return self._call

    def _new_channel(self) -> grpc.Channel:
        # What is wrapped around grpc's functions traces calls, and these must not be.
        if not self._secure:
            return unwrap(grpc.insecure_channel)(self._target, self._options, self._compression)
        make: Callable[..., grpc.Channel] = unwrap(grpc.secure_channel)
        return make(self._target, self._credentials(), self._options, self._compression)

    def _credentials(self) -> grpc.ChannelCredentials:
        chain = _content(self._settings.client_certificate)
        # One file may hold both the certificate and its key.
        key = _content(self._settings.client_key) if self._settings.client_key else chain
        return grpc.ssl_channel_credentials(_content(self._settings.certificate), key if chain else None, chain)


def target_of(endpoint: str, *, insecure: bool) -> tuple[str, bool]:
    """Return gRPC's target of an endpoint, and whether it is spoken to by TLS: the scheme says so if there is one."""
    if "://" not in endpoint:
        return endpoint, not insecure
    url = urlsplit(endpoint)
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    secure = url.scheme == "https"
    return f"{host}:{url.port or (443 if secure else 80)}", secure


def _content(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None


def _header(name: str, value: str) -> tuple[str, str | bytes]:
    return name, value.encode("latin-1", "replace") if name.endswith("-bin") else value
