"""A collector of spans: takes what is posted to it, and decodes nothing."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Collector(http.server.BaseHTTPRequestHandler):
    """Takes what is posted, and counts it."""

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.server.taken.append((self.path, self.rfile.read(size)))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Collector) as server:
        taken: list[tuple[str, bytes]] = []
        server.taken = taken  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", taken
        finally:
            server.shutdown()
            thread.join()
