"""Templates and given bodies -> subject, text and HTML, ready to be put into a message.

A template is a folder in ``templates/``: ``body.html`` or ``body.txt`` or both, and ``subject.txt``. HTML templates
escape what they are given; a name that the context lacks is an error, not an empty string in a customer's inbox.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import css_inline
import jinja2

from actors.email.payload import MAX_SUBJECT, RESERVED_CONTEXT, EmailPayload
from actors.email.plaintext import html_to_text
from actors.email.recipients import CONTROL
from callboard.errors import PermanentError

#: What a template's expressions can raise when the context is not what they expect.
_FAILS = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)

#: In "'x' is undefined", "'dict object' has no attribute 'x'" and "'list object' has no element 'x'".
_MISSING_NAME = re.compile(r"(?:^(?=.* is undefined$)|has no \w+ )(?P<name>.*?)(?: is undefined)?$", re.DOTALL)

#: HTML that a job brings is inlined up to this many tags. Measured with css-inline 0.24: 12,000 nested elements end the
#: process (stack overflow), and 2,000 unclosed ones (15 KB) become 37 MB; with 500 it is 2 MB at worst.
_MAX_INLINED_TAGS = 500

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Content:
    """What the recipient reads. Text is always there; HTML may be missing."""

    subject: str
    text: str
    html: str | None


def template_names() -> list[str]:
    """The templates that a job can name."""
    return sorted(folder.name for folder in TEMPLATES.iterdir() if _has_body(folder.name))


def render(payload: EmailPayload, *, sender_name: str) -> Content:
    """The subject and the bodies of ``payload``.

    Args:
        sender_name: the sender's display name or domain; templates fall back to it when the context has no ``brand``.

    Raises: PermanentError when there is no such template, or its context lacks something, with the reason.
    """
    if payload.template is None:
        html = _inline_given(payload.html) if payload.html is not None else None
        text = payload.text if payload.text is not None else html_to_text(payload.html or "")
        return Content(subject=payload.subject or "", text=text, html=html)
    if not _has_body(payload.template):
        raise PermanentError(f"template: there is no {payload.template!r}; known: {', '.join(template_names())}")
    return _render_template(payload, payload.template, sender_name)


def _render_template(payload: EmailPayload, name: str, sender_name: str) -> Content:
    facts: dict[str, Any] = {
        "sender_name": sender_name,
        "unsubscribe_url": payload.unsubscribe.url if payload.unsubscribe else None,
        "subject": payload.subject,
    }
    context = {**payload.context, RESERVED_CONTEXT: facts}
    if payload.subject is None:
        rendered = _fill(f"{name}/subject.txt", context)
        if rendered is None:
            raise PermanentError(f"subject is required: template {name!r} has no subject.txt")
        # A line break in a value must not become a line break in a header.
        facts["subject"] = " ".join(CONTROL.sub(" ", rendered).split())[:MAX_SUBJECT]
        if not facts["subject"]:
            raise PermanentError(f"subject: template {name!r} made an empty one")
    html = _fill(f"{name}/body.html", context)
    text = _fill(f"{name}/body.txt", context)
    if text is None:
        text = html_to_text(html or "")
    return Content(subject=facts["subject"], text=text, html=_inline(html) if html is not None else None)


def _has_body(name: str) -> bool:
    return any((TEMPLATES / name / body).is_file() for body in ("body.html", "body.txt"))


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["web_url"] = _web_url
    environment.filters["css_color"] = _css_color
    return environment


def _web_url(value: object) -> str:
    """Template filter: a link target as it is, if it is a web address. Escaping alone lets ``javascript:`` pass."""
    text = str(value)
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise jinja2.TemplateRuntimeError("a link must be an http or https URL")
    return text


def _css_color(value: object) -> str:
    """Template filter: a colour as it is, if it is one; anything else could add rules of its own to the style."""
    text = str(value)
    if not re.fullmatch(r"#[0-9A-Fa-f]{3}|#[0-9A-Fa-f]{6}", text):
        raise jinja2.TemplateRuntimeError("a colour must be written as #rgb or #rrggbb")
    return text


def _fill(name: str, context: dict[str, Any]) -> str | None:
    """The template ``name`` filled in, or None if there is no such file."""
    if not (TEMPLATES / name).is_file():
        return None
    try:
        return _environment().get_template(name).render(context)
    except jinja2.UndefinedError as error:
        reason = _without_values(str(error))
    except jinja2.TemplateError as error:
        reason = str(error)  # of the template itself, or of our filters: these words are ours
    except _FAILS as error:
        # Their messages quote the value.
        reason = f"a value of the context is not what the template expects ({type(error).__name__})"
    raise PermanentError(f"template {name}: {reason}"[:400])


def _without_values(reason: str) -> str:
    """What jinja says of a missing name, without the name if no template has it: then it came with the context."""
    found = _MISSING_NAME.search(reason)
    if found is None or found["name"].strip("'") in _all_sources():
        return reason
    return f"{reason[: found.start('name')]}…{reason[found.end('name') :]}"


@functools.cache
def _all_sources() -> str:
    files = (path for path in sorted(TEMPLATES.rglob("*")) if path.is_file())
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


@functools.cache
def _inliner() -> css_inline.CSSInliner:
    # Stylesheets are never loaded: neither from the network nor from the worker's disk.
    # At-rules stay in <style>: media queries (small screens, dark mode) cannot be inlined.
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)


def _inline_given(html: str) -> str:
    """HTML of unknown origin, inlined if it has styles and is of modest size; otherwise as it is."""
    if "<style" not in html.lower() or len(re.findall("<[A-Za-z]", html)) > _MAX_INLINED_TAGS:
        return html
    return _inline(html)


def _inline(html: str) -> str:
    try:
        return _inliner().inline(html)
    except css_inline.InlineError:
        reason = "html: its CSS cannot be inlined"  # the error would quote it
    raise PermanentError(reason)
