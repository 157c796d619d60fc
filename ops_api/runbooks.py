"""``GET /runbooks/…``: the pages that alerts link to, from the source tree that runs here, so without the internet.

Each alert is a heading of the second level, with an anchor. Nobody needs a token: the pages are
documentation, and whoever is woken by an alert must not have to look for one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from flask import Blueprint, abort, make_response, render_template, url_for
from flask.typing import ResponseReturnValue
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ops_api.services import services

blueprint = Blueprint("runbooks", __name__)

#: A page's name. What does not look like one is not looked for on disk.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")

#: A link to a page: its name, and what follows.
_PAGE = re.compile(r"(?:\./)?(README|[a-z0-9-]+)\.md(#.*)?")

#: The page that stands for the folder, as on a forge: what to do before the first command, and all alerts.
_FIRST = "README"

#: No script, nothing from elsewhere.
_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

# Raw HTML in a page is shown as text.
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


@blueprint.get("/runbooks/")
def index() -> ResponseReturnValue:
    """The folder's own page; without one, its pages and the alerts on each."""
    first = services().ops.runbooks / f"{_FIRST}.md"
    if first.is_file():
        return _shown(first)
    pages = {name: _headings(_parsed(file)) for name, file in _pages().items()}
    return _page("index.html", pages=pages)


@blueprint.get("/runbooks/<name>")
def page(name: str) -> ResponseReturnValue:
    """One page. 404 for a name that none has."""
    file = _pages().get(name)
    if file is None:
        abort(404, f"there is no runbook {name!r}; {url_for('runbooks.index')} lists them")
    return _shown(file)


def _shown(file: Path) -> ResponseReturnValue:
    tokens = _parsed(file)
    title = next((text for level, text, _ in _headings(tokens) if level == 1), file.stem)
    return _page("page.html", title=title, body=_markdown.renderer.render(tokens, _markdown.options, {}))


def _page(template: str, **values: object) -> ResponseReturnValue:
    response = make_response(render_template(f"runbooks/{template}", **values))
    response.headers["Content-Security-Policy"] = _POLICY
    return response


def _pages() -> dict[str, Path]:
    """Name -> file of every page that there is now."""
    found = sorted(services().ops.runbooks.glob("*.md"))
    return {path.stem: path for path in found if _NAME.fullmatch(path.stem)}


def _parsed(file: Path) -> list[Token]:
    """A page, its alerts with anchors, its links leading to where they can be followed."""
    tokens = _markdown.parse(file.read_text(encoding="utf-8"))
    known = _pages().keys()
    for opening, inside in pairwise(tokens):
        if opening.type == "heading_open" and opening.tag == "h2":
            opening.attrSet("id", anchor(inside.content))
    for token in tokens:
        if token.children:
            token.children = list(_followable(token.children, known))
    return tokens


def anchor(heading: str) -> str:
    """What stands after ``#`` in a link to a heading: as GitHub has it, so that links work there and here."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _headings(tokens: Sequence[Token]) -> list[tuple[int, str, str]]:
    """Level, text and anchor of each heading of a page."""
    return [
        (int(opening.tag[1]), inside.content, anchor(inside.content))
        for opening, inside in pairwise(tokens)
        if opening.type == "heading_open"
    ]


def _followable(tokens: Sequence[Token], known: Collection[str]) -> Iterator[Token]:
    """Inline tokens. Links to other pages lead there; those to files that are not served here become plain text."""
    is_link = True
    for token in tokens:
        if token.type == "link_open":
            target = _target(str(token.attrGet("href") or ""), known)
            is_link = target is not None
            if target is not None:
                token.attrSet("href", target)
        if is_link or token.type not in ("link_open", "link_close"):
            yield token


def _target(href: str, known: Collection[str]) -> str | None:
    if href.startswith(("#", "http://", "https://")):
        return href
    found = _PAGE.fullmatch(href)
    if found is None or found[1] not in {*known, _FIRST}:
        return None
    page = url_for("runbooks.index") if found[1] == _FIRST else url_for("runbooks.page", name=found[1])
    return page + (found[2] or "").lower()
