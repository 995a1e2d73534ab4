"""How a measured program that is no HTTP server is set up; each returns what tears it down, which delivers the rest."""

from collections.abc import Callable

TearDown = Callable[[], None]


def _bare() -> TearDown:
    return lambda: None


def _kit() -> TearDown:
    from instrumentation import instrument  # noqa: PLC0415 what is not measured is not imported

    return instrument(service_name="bench").uninstrument


def _sdk() -> TearDown:
    from benchmarks.sdk_providers import set_up  # noqa: PLC0415

    return set_up()


def _contrib() -> TearDown:
    """Set the SDK up, and every instrumentor of contrib that is installed for a library here."""
    from opentelemetry.instrumentation.grpc import (  # noqa: PLC0415
        GrpcAioInstrumentorClient,
        GrpcAioInstrumentorServer,
    )
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor  # noqa: PLC0415
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor  # noqa: PLC0415

    tear_down = _sdk()
    for kind in (GrpcAioInstrumentorClient, GrpcAioInstrumentorServer, HTTPXClientInstrumentor, SQLAlchemyInstrumentor):
        kind().instrument(skip_dep_check=True)
    return tear_down


SETUPS = {"bare": _bare, "kit": _kit, "sdk": _sdk, "contrib": _contrib}
