"""JSON answers."""

from typing import Any, TypeAlias

import orjson
from starlette.responses import Response

Reply: TypeAlias = Response


def json_reply(content: Any, code: int = 200) -> Reply:
    """Encode the content; keys need not be text, NaN becomes null."""
    return Response(orjson.dumps(content), code, media_type="application/json")
