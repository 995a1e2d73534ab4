"""An HTTP server that gives every request the same answer: what a measured client calls.

python -m benchmarks.responder PORT
"""

import asyncio
import contextlib
import sys
from typing import cast

BODY = b'{"item_id":42}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Responder(asyncio.Protocol):
    """Answers when a request's head has ended; there are no bodies."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to answer."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer."""
        if data.endswith(b"\r\n\r\n"):
            self._transport.write(ANSWER)


async def main(port: int) -> None:
    """Serve until interrupted."""
    server = await asyncio.get_running_loop().create_server(Responder, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(int(sys.argv[1])))
