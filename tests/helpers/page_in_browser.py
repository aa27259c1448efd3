"""Serves a page that `qrobust web` wrote to a headless Chromium, and uses it as a person does."""

import http.server
import json
import queue
import shutil
import threading
import time
from pathlib import Path

from ondevice.browser import Browser

_EXECUTABLES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_DRIVER = Path(__file__).with_name("page_driver.mjs")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".css": "text/css",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}


def chromium():
    """The browser's path, or None."""
    return next((found for name in _EXECUTABLES if (found := shutil.which(name))), None)


def use_page(folder, jobs, *, extra=None, timeout_s=120):
    """Do some jobs in one page, and return what the driver posts of each.

    Args:
        folder: of the page.
        jobs: what `page_driver.mjs` does, one after the other.
        extra: further files to serve: name -> bytes.
        timeout_s: of the longest silence.

    Returns:
        One JSON object a job.

    Raises:
        RuntimeError: the page failed, or the browser ended.
    """
    served = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    script = b'<script type="module" src="driver.mjs"></script></body>'
    served["index.html"] = served["index.html"].replace(b"</body>", script)
    served |= {"driver.mjs": _DRIVER.read_bytes(), "jobs.json": json.dumps(jobs).encode()}
    served |= extra or {}
    posted = queue.Queue()
    server = serve(served, posted)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        with Browser(chromium(), url) as browser:
            return [next_posted(posted, browser, timeout_s) for _ in jobs]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def next_posted(posted, browser, timeout_s):
    ends = time.monotonic() + timeout_s
    while time.monotonic() < ends:
        try:
            found = json.loads(posted.get(timeout=1))
        except queue.Empty:
            if death := browser.death():
                raise RuntimeError(death) from None
            continue
        if "failed" in found:
            raise RuntimeError(f"the page: {found['failed']}")
        return found
    raise RuntimeError(f"the page said nothing for {timeout_s} s")


def serve(served, posted):
    down = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.partition("?")[0].removeprefix("/") or "index.html"
            body = None if down.is_set() else served.get(name)
            self.send_response(404 if body is None else 200)
            kind = _TYPES.get(Path(name).suffix, "application/octet-stream")
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body or b"")

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/down":
                down.set()  # from now on nothing is served
            else:
                posted.put(body)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            """A browser that is ended leaves its connections open: no news."""

    return Server(("127.0.0.1", 0), Handler)
