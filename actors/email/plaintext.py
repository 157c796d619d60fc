"""HTML to readable plain text, for readers without HTML and for spam filters that distrust mail without a text part."""

from __future__ import annotations

import re
from html.parser import HTMLParser

#: Their content is no text for a reader.
_SILENT = frozenset({"head", "script", "style", "template", "title", "noscript"})
#: Elements without an end tag: they open nothing.
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_PARAGRAPHS = ("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "section")
_LINES = ("div", "tr", "li", "dt", "dd", "header", "footer", "article", "figure", "figcaption")
#: Line breaks before and after an element.
_BREAKS = {**dict.fromkeys(_PARAGRAPHS, 2), **dict.fromkeys(_LINES, 1)}
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.IGNORECASE)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._fresh = 2  # line breaks that the text so far ends with; none are needed at its beginning
        self._silent: list[str] = []  # open elements from the outermost silent one on
        self._links: list[tuple[str, int]] = []  # target, and where its text begins

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._silent:
            if tag not in _VOID:
                self._silent.append(tag)
            return
        hidden = "hidden" in given or _HIDDEN_STYLE.search(given.get("style") or "")
        if (tag in _SILENT or hidden) and tag not in _VOID:
            self._silent.append(tag)
        elif tag == "br":
            self._write("\n")
        elif tag == "hr":
            self._break(2)
            self._write("----")
            self._break(2)
        elif tag == "img":
            self._write(given.get("alt") or "")
        elif tag == "a":
            self._links.append((given.get("href") or "", len(self.parts)))
        elif tag == "li":
            self._break(1)
            self._write("- ")
        else:
            self._break(_BREAKS.get(tag, 0))

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            if tag in self._silent:  # also closes what was left open inside
                del self._silent[len(self._silent) - 1 - self._silent[::-1].index(tag) :]
            return
        if tag == "a" and self._links:
            target, start = self._links.pop()
            text = "".join(self.parts[start:]).strip()
            if target.startswith(("http://", "https://", "mailto:")) and target.removeprefix("mailto:") != text:
                self._write(f" ({target.removeprefix('mailto:')})" if text else target)
        elif tag in {"td", "th"}:
            self._write(" ")
        else:
            self._break(_BREAKS.get(tag, 0))

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._write(re.sub(r"\s+", " ", data))

    def _write(self, text: str) -> None:
        self.parts.append(text)
        if text == "\n":
            self._fresh += 1
        elif text.strip():
            self._fresh = 0

    def _break(self, wanted: int) -> None:
        """End the line (1) or the paragraph (2), unless that has been done."""
        while self._fresh < wanted:
            self._write("\n")


def _tame(html: str) -> str:
    """``html`` without comments, and with every ``<`` that opens no tag as text.

    html.parser searches the rest of the document again for each tag or comment that is never closed: minutes of work
    for 200 KB of ``<a``. Here every character is looked at once.
    """
    kept, position = [], 0
    while (start := html.find("<!--", position)) >= 0:
        kept.append(html[position:start])
        end = html.find("-->", start + 4)
        position = end + 3 if end >= 0 else len(html)
    kept.append(html[position:])
    return re.sub(r"<(?=[^<>]*(?:<|\Z))", "&lt;", "".join(kept))


def html_to_text(html: str) -> str:
    """What ``html`` says, as plain text: links as ``text (target)``, list items with a dash, hidden elements left out.

    Returns: text ending in one newline; only a newline if there is nothing to read.
    """
    reader = _Reader()
    reader.feed(_tame(html))
    reader.close()
    text = "".join(reader.parts).replace("\u00a0", " ")
    lines = [re.sub(r"[ \t]+", " ", line).strip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"
