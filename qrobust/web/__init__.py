"""A static page with a network and its certifier in it: offline, in the browser, on the phone."""

from qrobust.web.write_page import write_page

__all__ = ["write_page"]
