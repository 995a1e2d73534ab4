"""grpc: calls become SERVER and CLIENT spans and durations, by interceptors added where servers and channels are made.

Covers what `server`, `insecure_channel` and `secure_channel` of `grpc.aio` and `grpc` make after `install`. On a server
the kit's interceptor is the first, so what others wrap is inside of its span; on a channel it is the last, so a
retrying interceptor shows each attempt. Health checks and reflection are in neither traces nor metrics.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from typing import Any

import grpc
import grpc.aio

from instrumentation.integrations.grpc_client import aio_interceptors, interceptor
from instrumentation.integrations.grpc_server import AioServerInterceptor, SyncServerInterceptor
from instrumentation.integrations.rpc import RpcClient, RpcServer
from instrumentation.signals.signals import Signals

SCOPE_NAME = "instrumentation.grpc"

Make = Callable[..., Any]


def install(signals: Signals) -> Callable[[], None]:
    """Observe servers and channels that are made from now on; returns what undoes it.

    Those made before `undo` keep their interceptors, which do nothing while the kit is off.
    """
    server, client = RpcServer(signals, SCOPE_NAME), RpcClient(signals, SCOPE_NAME)
    replaced: list[tuple[Any, str, Make]] = []

    def replace(module: Any, name: str, wrap: Callable[[Make], Make]) -> None:
        original: Make = getattr(module, name)
        replaced.append((module, name, original))
        setattr(module, name, wraps(original)(wrap(original)))

    replace(grpc.aio, "server", lambda make: _with_first(make, AioServerInterceptor(server)))
    replace(grpc, "server", lambda make: _with_first(make, SyncServerInterceptor(server)))
    for name in ("insecure_channel", "secure_channel"):
        replace(grpc.aio, name, lambda make: _with_last(make, lambda target: aio_interceptors(client, target)))
        replace(grpc, name, lambda make: _intercepted(make, client))

    def undo() -> None:
        for module, name, original in replaced:
            setattr(module, name, original)

    return undo


def _with_first(make: Make, own: object) -> Make:
    parameters = signature(make)

    def call(*args: Any, **options: Any) -> Any:
        bound = parameters.bind(*args, **options)
        bound.arguments["interceptors"] = (own, *(bound.arguments.get("interceptors") or ()))
        return make(*bound.args, **bound.kwargs)

    return call


def _with_last(make: Make, own: Callable[[str], Sequence[object]]) -> Make:
    parameters = signature(make)

    def call(*args: Any, **options: Any) -> Any:
        bound = parameters.bind(*args, **options)
        target = bound.arguments["target"]
        bound.arguments["interceptors"] = (*(bound.arguments.get("interceptors") or ()), *own(target))
        return make(*bound.args, **bound.kwargs)

    return call


def _intercepted(make: Make, client: RpcClient) -> Make:
    parameters = signature(make)

    def call(*args: Any, **options: Any) -> Any:
        target = parameters.bind(*args, **options).arguments["target"]
        return grpc.intercept_channel(make(*args, **options), interceptor(client, target))

    return call
