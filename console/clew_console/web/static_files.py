"""The pages' scripts, styles and icon: held in memory, at addresses that change when they do."""

from hashlib import blake2s
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

SHEETS = ("tokens", "page", "table", "chart", "trace", "map", "runs")
"""Style sheets in the order in which they count; the pages get them as one, `console.css`."""

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


class StaticFiles:
    """What is in a directory when this is made.

    A browser asks once for an address that names the version: it keeps what it got, and the next version has other
    addresses. An address without it, or of another version, gets what there is now, not to be kept.
    """

    def __init__(self, directory: Path) -> None:
        files = {path.name: path.read_bytes() for path in sorted(directory.iterdir())}
        files["console.css"] = b"\n".join(files[f"{sheet}.css"] for sheet in SHEETS)
        self._version = blake2s(b"\0".join(files.values()), digest_size=6).hexdigest()
        self._files = files

    def address(self, name: str) -> str:
        """Return the path of a file, with its version."""
        return f"/static/{self._version}/{name}"

    async def answer(self, request: Request) -> Response:
        """Answer `/static/{path:path}`: a file by its name, or by version and name."""
        version, _, name = request.path_params["path"].rpartition("/")
        content = self._files.get(name)
        if content is None:
            return PlainTextResponse(f"There is no file {name!r}.", 404)
        caching = _FOR_EVER if version == self._version else "no-cache"
        return Response(content, headers={"Cache-Control": caching}, media_type=_TYPES[Path(name).suffix])
