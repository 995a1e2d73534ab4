"""Errors as problem details (RFC 9457, `application/problem+json`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import grpc
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from instrumentation import get_logger
from shop.gateway.breaker import OpenError
from shop.gateway.dependency import is_away

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request

log = get_logger(__name__)


@dataclass(slots=True)
class ProblemError(Exception):
    """An answer that is an error: `kind` is the stable name programs tell problems apart by."""

    status: int
    kind: str
    detail: str
    members: Mapping[str, Any] = field(default_factory=dict)


def register_problems(app: FastAPI) -> None:
    """Answer every error of the app with a problem body, also those FastAPI raises itself."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(grpc.RpcError, _on_failed_call)
    app.add_exception_handler(OpenError, _on_open_breaker)


def _response(problem: ProblemError, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = {
        "type": f"urn:clew-shop:{problem.kind}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.members,
    }
    return JSONResponse(body, problem.status, headers, media_type="application/problem+json")


async def _on_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)  # noqa: S101 - the type the handler is registered for
    return _response(error)


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - the type the handler is registered for
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return _response(ProblemError(400, "malformed-json", "the body is not JSON"))
    # Not the values themselves: they are the sender's, and may be anything.
    errors = [{"at": ".".join(map(str, item["loc"])), "message": item["msg"]} for item in found]
    return _response(ProblemError(422, "invalid-request", "the request does not fit the contract", {"errors": errors}))


async def _on_http_exception(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - the type the handler is registered for
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return _response(ProblemError(error.status_code, kind, str(error.detail)), error.headers)


async def _on_failed_call(_request: Request, error: Exception) -> JSONResponse:
    """Turn the failure of a service behind into 404, 503 or 502."""
    assert isinstance(error, grpc.aio.AioRpcError)  # noqa: S101 - the type the handler is registered for
    code, detail = error.code(), error.details() or ""
    if code is grpc.StatusCode.NOT_FOUND:
        return _response(ProblemError(404, "not-found", detail))
    log.warning("call to a service failed", code=code.name, detail=detail)
    if is_away(error):
        return _away()
    return _response(ProblemError(502, "bad-gateway", "a service behind the gateway failed"))


async def _on_open_breaker(_request: Request, _error: Exception) -> JSONResponse:
    return _away()


def _away() -> JSONResponse:
    problem = ProblemError(503, "service-unavailable", "a service behind the gateway does not answer")
    return _response(problem, {"Retry-After": "1"})
