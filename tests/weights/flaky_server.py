"""An HTTP server on the loopback that behaves as badly as it is told to."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Behaviour:
    """What the server has and how it hands it out.

    content, etag: of the file; no etag where it is None.
    breaks: for each of the next requests, after how many bytes the connection breaks.
    ranges: whether `Range` is followed.
    wrong_ranges: whether another part is sent than was asked for.
    status: the answer to everything, if not 200.
    requests: the `Range` headers so far, None for a request without.
    """

    content: bytes
    etag: str | None = '"one"'
    breaks: list[int] = field(default_factory=list)
    ranges: bool = True
    wrong_ranges: bool = False
    status: int = 200
    requests: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[None]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            behaviour.requests.append(self.headers.get("Range"))
            answer(self, behaviour)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    behaviour.url = f"http://127.0.0.1:{server.server_port}/net.pth"
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(handler: BaseHTTPRequestHandler, behaviour: Behaviour) -> None:
    """One answer: status, headers, and as many bytes as come before the break."""
    if behaviour.status != 200:
        handler.send_error(behaviour.status)
        return
    content = behaviour.content
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    same = handler.headers.get("If-Range") == behaviour.etag
    start = int(asked[1]) if asked and same and behaviour.ranges else 0
    if start and start >= len(content):
        handler.send_error(416)
        return
    handler.send_response(206 if start else 200)
    if start:
        first = start + 1 if behaviour.wrong_ranges else start
        handler.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
    if behaviour.etag:
        handler.send_header("ETag", behaviour.etag)
    handler.send_header("Content-Length", str(len(content) - start))
    handler.end_headers()
    stop = behaviour.breaks.pop(0) if behaviour.breaks else len(content)
    handler.wfile.write(content[start : start + stop])
