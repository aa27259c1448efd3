"""Serves one job to one browser page on localhost and collects what the page posts."""

import http.server
import json
import queue
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
}
_PAGE_FILES = ("chromium_page.html", "chromium_page.mjs", "litert_run.mjs")


class _QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A browser that is ended leaves its connections open: no news.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class PageServer:
    """A server for the time of one `with` block.

    `posted` gets a pair (path without its slash, body) for each POST of the page.
    """

    def __init__(self, modules: Path, model: bytes, inputs: bytes, shape: Sequence[int]):
        """Takes what the page will fetch.

        Args:
            modules: The `node_modules` folder.
            model: The model's bytes.
            inputs: All inputs, one after the other.
            shape: The shape of one input, batch dimension 1 included.
        """
        self.posted: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._modules = modules.resolve()
        self._job = {
            "/job/model": model,
            "/job/inputs": inputs,
            "/job/shape": json.dumps(list(shape)).encode(),
        }

    def __enter__(self) -> Self:
        """Starts the server."""
        page_server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_GET(self) -> None:
                found = page_server._find(self.path)
                body, kind = found or (b"not here", "text/plain")
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                page_server.posted.put((self.path.removeprefix("/"), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stops the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{_PAGE_FILES[0]}"

    def _find(self, path: str) -> tuple[bytes, str] | None:
        if path in self._job:
            return self._job[path], "application/octet-stream"
        if path.startswith("/npm/"):
            file = (self._modules / path.removeprefix("/npm/")).resolve()
            if not file.is_relative_to(self._modules):
                return None
        elif path.removeprefix("/") in _PAGE_FILES:
            file = Path(__file__).resolve().with_name(path.removeprefix("/"))
        else:
            return None
        if file.suffix not in _TYPES or not file.is_file():
            return None
        return file.read_bytes(), _TYPES[file.suffix]
