"""Templates, given bodies, and the text made from HTML."""

from __future__ import annotations

import time
from typing import Any

import pytest

from actors.email import rendering
from actors.email.payload import EmailPayload
from actors.email.plaintext import html_to_text
from actors.email.rendering import Content, render, template_names
from callboard.errors import PermanentError

CONTEXTS: dict[str, dict[str, Any]] = {
    "notice": {
        "title": "Report ready",
        "level": "success",
        "paragraphs": ["Made <b>today</b>."],
        "details": [{"label": "Format", "value": "PDF"}],
        "action": {"label": "Download", "url": "https://app.example.org/r?a=1&b=2"},
    },
    "post_published": {
        "post": {
            "text": "Fresh bread & <3",
            "platform": "Mastodon",
            "account": "@bakery",
            "url": "https://social.example/1",
            "published_at": "12 May 2026, 09:30",
        }
    },
    "weekly_summary": {
        "workspace_name": "Harbour Bakery",
        "period": "4–10 May 2026",
        "figures": [{"label": "Impressions", "value": "48,210", "change": 12.4}, {"label": "Posts", "value": 9}],
        "top_posts": [{"text": "Best", "platform": "Bluesky", "url": "https://b.example/1", "engagements": 871}],
        "dashboard_url": "https://app.example.org",
    },
}


def made(**fields: Any) -> Content:
    return render(EmailPayload.model_validate({"to": "ada@example.org", **fields}), sender_name="Shop")


def test_the_shipped_templates_are_the_tested_ones() -> None:
    assert template_names() == sorted(CONTEXTS)


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_template_makes_subject_text_and_inlined_html(name: str) -> None:
    content = made(template=name, context=CONTEXTS[name], unsubscribe={"url": "https://app.example.org/u/1"})
    assert content.subject
    assert "\n" not in content.subject
    assert content.html is not None
    assert 'style="' in content.html, "classes should be inlined"
    assert "@media" in content.html, "media queries should stay"
    assert "{{" not in content.html + content.text
    assert "https://app.example.org/u/1" in content.html
    assert "https://app.example.org/u/1" in content.text
    assert "Sent by Shop" in content.text


def test_html_escapes_values_and_text_does_not() -> None:
    content = made(template="notice", context=CONTEXTS["notice"])
    assert "Made &lt;b&gt;today&lt;/b&gt;." in (content.html or "")
    assert "Made <b>today</b>." in content.text


def test_a_subject_of_the_job_wins_over_the_templates() -> None:
    assert made(template="notice", context=CONTEXTS["notice"], subject="Mine {{ 1 }}").subject == "Mine {{ 1 }}"


def test_a_line_break_in_a_value_is_a_space_in_the_subject() -> None:
    context = {**CONTEXTS["notice"], "title": "Hi\r\nBcc: eve@example.org"}
    assert made(template="notice", context=context).subject == "Hi Bcc: eve@example.org"


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("nothing", {}, "there is no 'nothing'; known: notice, post_published, weekly_summary"),
        ("notice", {"paragraphs": None}, "template notice/body.html: a value of the context is not what the template"),
        ("notice", {"level": "ada@e.org"}, "template notice/body.html: 'dict object' has no attribute …"),
        ("notice", {"level": ["ada@e.org"]}, "template notice/body.html: dict object has no element …"),
        ("notice", {"action": {"label": "Go", "url": "javascript:alert(1)"}}, "a link must be an http or https URL"),
        ("notice", {"brand": {"color": "red;} *{display:none"}}, "a colour must be written as #rgb or #rrggbb"),
        ("post_published", {"post": {"text": "Hi"}}, "template post_published/subject.txt: 'dict object' has no attr"),
    ],
)
def test_what_a_template_cannot_use_fails_for_good(name: str, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(PermanentError) as caught:
        made(template=name, context={**CONTEXTS.get(name, {}), **change})
    assert reason in str(caught.value)
    assert "ada@" not in str(caught.value), "a value of the context was quoted"
    assert caught.value.__context__ is None


def test_given_bodies_are_kept_and_missing_text_is_made() -> None:
    content = made(subject="Hi", html='<style>p{color:red}</style><p>Hello <a href="https://e.example">there</a></p>')
    assert content.text == "Hello there (https://e.example)\n"
    assert '<p style="color: red;">' in (content.html or "").replace("color:red", "color: red")
    assert made(subject="Hi", text="A", html="<p>B</p>") == Content("Hi", "A", "<p>B</p>")
    assert made(subject="Hi", text="A").html is None


def test_stylesheets_are_never_loaded(tmp_path: Any) -> None:
    sheet = tmp_path / "secret.css"
    sheet.write_text("p { color: red }")
    html = f'<link rel="stylesheet" href="file://{sheet}"><link rel="stylesheet" href="{sheet}"><style></style><p>x</p>'
    assert "red" not in (made(subject="Hi", html=html).html or "")


def test_html_that_would_overwhelm_the_inliner_is_sent_as_it_is() -> None:
    html = "<style>b{color:red}</style>" + "<b>" * (rendering._MAX_INLINED_TAGS + 1)
    assert made(subject="Hi", html=html).html == html


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<h1>A</h1><p>b<br>c</p>", "A\n\nb\nc\n"),
        ("<ul><li>one<li>two</ul>after", "- one\n- two\n\nafter\n"),
        ("<style>x</style><script>y</script><title>t</title>ok", "ok\n"),
        ('<div style="display:none">hidden <b>too</b></div><div hidden>x</div>seen', "seen\n"),
        ("<!-- c --><!--[if mso]><table><tr><td>x<![endif]-->y", "y\n"),
        ('<a href="mailto:a@b.example">a@b.example</a>', "a@b.example\n"),
        ('<a href="https://e.example"><img alt="Logo"></a>', "Logo (https://e.example)\n"),
        ("a &lt; b &amp;&nbsp;c", "a < b & c\n"),
        ("1 < 2 and <b>bold</b>", "1 < 2 and bold\n"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc\n"),
    ],
)
def test_html_reads_as_text(html: str, text: str) -> None:
    assert html_to_text(html) == text


@pytest.mark.parametrize("piece", ["<a ", "<!--", '<a href="', "</a ", "<![CDATA[", "<div>", "<div hidden>"])
def test_hostile_html_takes_no_time(piece: str) -> None:
    began = time.monotonic()
    html_to_text(piece * (100_000 // len(piece)))
    assert time.monotonic() - began < 5, "html.parser alone takes more than 20 s for this"
