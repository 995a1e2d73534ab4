"""grpc: calls become SERVER and CLIENT spans and durations, by interceptors added where servers and channels are made.

Covers what `server`, `insecure_channel` and `secure_channel` of `grpc.aio` and `grpc` make after `install`, also where
a module imported them by name before. On a server the kit's interceptor is the first, so what others wrap is inside of
its span; on a channel it is the last, so a retrying interceptor shows each attempt. Health checks and reflection are in
neither traces nor metrics. Servers and channels that were made before `install` are not covered: gRPC has no way to
add an interceptor to them.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import signature
from typing import Any, cast

import grpc
import grpc.aio

from instrumentation.integrations.grpc_client import Calls, interceptor, stream_interceptors, unary_interceptor
from instrumentation.integrations.grpc_server import AioServerInterceptor, SyncServerInterceptor
from instrumentation.integrations.grpc_unary import observe
from instrumentation.integrations.rpc import RpcClient, RpcServer
from instrumentation.signals.signals import Signals

SCOPE_NAME = "instrumentation.grpc"

Make = Callable[..., Any]


def install(signals: Signals) -> Callable[[], None]:
    """Observe servers and channels that are made from now on; returns what undoes it.

    Those made before `undo` keep their interceptors, which do nothing while the kit is off.
    """
    server, client = RpcServer(signals, SCOPE_NAME), RpcClient(signals, SCOPE_NAME)
    wrappers: dict[Make, Callable[[Make], Make]] = {
        grpc.aio.server: lambda make: _with_first(make, AioServerInterceptor(server)),
        grpc.server: lambda make: _with_first(make, SyncServerInterceptor(server)),
    }
    for make in (grpc.aio.insecure_channel, grpc.aio.secure_channel):
        wrappers[make] = lambda make: _observed(make, client)
    for make in (grpc.insecure_channel, grpc.secure_channel):
        wrappers[make] = lambda make: _intercepted(make, client)
    wrapped = {make: wraps(make)(wrap(make)) for make, wrap in wrappers.items()}
    _replace(wrapped)
    return lambda: _replace({new: old for old, new in wrapped.items()})


def _replace(functions: Mapping[Make, Make]) -> None:
    """Put functions in the place of others in every module that has them, under whatever name.

    So that `from grpc.aio import insecure_channel` before `install` makes no difference. Takes some 5 ms in a process
    of a thousand modules; what holds a function elsewhere, such as a default argument, keeps it.
    """
    by_id = {id(old): new for old, new in functions.items()}
    for module in tuple(sys.modules.values()):
        names = cast("dict[str, object] | None", getattr(module, "__dict__", None))
        if not names or by_id.keys().isdisjoint(map(id, tuple(names.values()))):
            continue
        for name, value in tuple(names.items()):
            if id(value) in by_id:
                setattr(module, name, by_id[id(value)])


def _with_first(make: Make, own: object) -> Make:
    parameters = signature(make)

    def call(*args: Any, **options: Any) -> Any:
        bound = parameters.bind(*args, **options)
        bound.arguments["interceptors"] = (own, *(bound.arguments.get("interceptors") or ()))
        return make(*bound.args, **bound.kwargs)

    return call


def _observed(make: Make, client: RpcClient) -> Make:
    parameters = signature(make)

    def call(*args: Any, **options: Any) -> Any:
        bound = parameters.bind(*args, **options)
        calls = Calls(client, bound.arguments["target"])
        theirs = tuple(cast("Iterable[object]", bound.arguments.get("interceptors") or ()))
        if any(isinstance(each, grpc.aio.UnaryUnaryClientInterceptor) for each in theirs):
            bound.arguments["interceptors"] = (*theirs, unary_interceptor(calls), *stream_interceptors(calls))
            return make(*bound.args, **bound.kwargs)
        bound.arguments["interceptors"] = (*theirs, *stream_interceptors(calls))
        return observe(make(*bound.args, **bound.kwargs), calls)

    return call


def _intercepted(make: Make, client: RpcClient) -> Make:
    parameters = signature(make)

    def call(*args: Any, **options: Any) -> Any:
        target = parameters.bind(*args, **options).arguments["target"]
        return grpc.intercept_channel(make(*args, **options), interceptor(client, target))

    return call
