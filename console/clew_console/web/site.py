"""The site: pages and read API in one application."""

from starlette.applications import Starlette

from clew_console.api.routes import api_routes
from clew_console.store.directory import Directory
from clew_console.store.writer import Writer


def site(directory: Directory, writer: Writer, otlp_url: str) -> Starlette:
    """Return the ASGI application of the pages and the read API."""
    return Starlette(routes=[*api_routes(directory, writer)])
