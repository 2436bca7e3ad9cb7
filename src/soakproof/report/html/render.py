"""A template and its values in, a page out that needs no other file; pure, the same bytes."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import Any

__all__ = ["render"]


def render(template: str, *, css: str = "", **values: Any) -> str:  # noqa: ANN401 - the template's own
    """Return the page.

    Args:
        template: its name.
        css: what this page needs beside the style of all pages.
        values: what the template names.

    Costs the import of jinja2 and a few milliseconds.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("soakproof.report.html", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["spans"] = _spans
    style, script = _asset("page.css") + css, _asset("page.js")
    return environment.get_template(template).render(
        css=Markup(style),  # noqa: S704 - a file of ours
        js=Markup(script),  # noqa: S704 - a file of ours
        css_sha256=_csp_hash(style),
        js_sha256=_csp_hash(script),
        **values,
    )


def _spans(sentence: str) -> Any:  # noqa: ANN401 - markupsafe is imported where it is used
    """Return a sentence of the Markdown report as HTML: escaped, with its code spans."""
    from markupsafe import Markup, escape

    parts = re.split(r"`([^`]*)`", sentence)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
        for at, part in enumerate(parts)
    )


def _asset(name: str) -> str:
    return files("soakproof.report.html").joinpath(name).read_text("utf-8")


def _csp_hash(content: str) -> str:
    return base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
