"""Runs axe-core on a page at a width, in headless Chromium.

The page stands in a frame of that width, so that it is laid out as on a phone. Its own policy,
which allows no script but its own, is taken off for the check.
"""

import json
import re
import shutil
from pathlib import Path

from page_in_browser import chromium, next_posted, serve

from ondevice.browser import Browser
from ondevice.cache import cached_folder
from ondevice.command import run_command
from ondevice.runtime import Unavailable

_LOCKED = Path(__file__).parent
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
_DRIVER = """
<script src="axe.min.js"></script>
<script>
addEventListener('load', async () => {
  await new Promise((resolve) => setTimeout(resolve, 1000));  // what scripts of the page make
  document.querySelectorAll('details').forEach((part) => { part.open = true; });
  const found = await axe.run(document, {resultTypes: ['violations']});
  const where = (node) => node.target.join(' ') + ': ' + node.html.slice(0, 200);
  const violations = found.violations.map(({id, impact, help, nodes}) => (
    {id, impact, help, nodes: nodes.map(where)}));
  const scrolls = document.documentElement.scrollWidth > innerWidth;
  await fetch('posted', {method: 'POST', body: JSON.stringify(
    {width: innerWidth, passes: found.passes.length, scrolls, violations})});
});
</script>
</body>"""
_FRAME = """<!doctype html><html lang="en"><title>frame</title><body style="margin:0">
<iframe title="page" src="page.html" style="border:0;width:{width}px;height:900px"></iframe>
</body></html>"""


def axe_source(cache: Path) -> bytes:
    """The script, installed by its lock file.

    Raises:
        Unavailable: npm is missing or fails.
    """

    def build(folder: Path) -> None:
        if shutil.which("npm") is None:
            raise Unavailable("npm is not installed; install Node.js with npm")
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(_LOCKED / name, folder / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        run_command(command, timeout_s=600, cwd=folder)

    version = json.loads((_LOCKED / "package.json").read_text())["dependencies"]["axe-core"]
    folder = cached_folder(cache, f"axe-core.locked-{version}", build)
    return (folder / "node_modules/axe-core/axe.min.js").read_bytes()


def look(files: dict[str, bytes], axe: bytes, *, width: int) -> dict:
    """What axe finds on ``index.html`` of some files at a width in CSS pixels.

    Returns:
        width, passes (rules that hold), scrolls (whether the page is wider than the screen), and
        violations: id, impact, help, nodes.
    """
    import queue
    import threading

    text = _POLICY.sub("", files["index.html"].decode())
    if "</body>" not in text:
        raise ValueError("the page has no </body>")
    served = {
        **files,
        "index.html": _FRAME.format(width=width).encode(),
        "page.html": text.replace("</body>", _DRIVER).encode(),
        "axe.min.js": axe,
    }
    posted: queue.Queue = queue.Queue()
    server = serve(served, posted)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        with Browser(chromium(), url) as browser:
            return next_posted(posted, browser, 240)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
