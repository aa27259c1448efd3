"""Renders the page; the one place that knows Jinja2."""

from __future__ import annotations

import base64
import hashlib
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from qrobust.certify.report.page.subject import Subject
from qrobust.certify.report.page.view import share_text, view
from tflite_export.atomic import write_text
from tflite_export.printable import printable

_LONGEST = 4096


def can_write_page() -> bool:
    """Whether Jinja2 and Pillow, which the base install does not bring, are there."""
    try:
        import jinja2  # noqa: F401
        import PIL  # noqa: F401
    except ModuleNotFoundError:
        return False
    return True


def write_page(subject: Subject, path: str | os.PathLike[str]) -> Path:
    """Write one HTML file that loads nothing, from anywhere; needs Jinja2 and Pillow.

    Text from files is escaped twice over: what is not printable by `printable`, what HTML would
    read by Jinja2. The page's own policy forbids every address but ``data:`` and every script but
    its own.

    Args:
        subject: what it is about.
        path: of the file; replaced whole.

    Raises:
        CertifyError: parts of the subject are about different things.
        OSError: the file cannot be written.
    """
    return write_text(path, page(subject))


def page(subject: Subject) -> str:
    """Return the page."""
    from jinja2 import Environment, StrictUndefined

    style, script = _ours("page.css"), _ours("page.js")
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["share"] = share_text
    template = environment.from_string(_ours("page.html.j2"))
    return template.render(
        **view(subject),
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _ours(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _shown(value: Any) -> Any:
    # Markup is the template's own, or what tojson escaped.
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value, max(_LONGEST, len(value) if value.startswith("data:") else 0))
    return value
