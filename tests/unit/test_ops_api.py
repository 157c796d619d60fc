"""The ops API where it needs no Redis: who may ask, how errors look, the runbooks, the settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import ValidationError
from werkzeug.test import TestResponse

from callboard.settings import Settings
from ops_api.app import MAX_BODY, create_app
from ops_api.runbooks import anchor
from ops_api.settings import OpsSettings

TOKEN = "a-token-of-prometheus"

#: Nobody listens there.
NOWHERE = Settings(redis_url="redis://127.0.0.1:1/0", connect_timeout_s=0.2)

ELSEWHERE = "192.0.2.7"


def client_of(address: str = "127.0.0.1", **ops: Any) -> FlaskClient:
    """The ops API as somebody at ``address`` sees it."""
    client = create_app(NOWHERE, OpsSettings(**ops)).test_client()
    client.environ_base["REMOTE_ADDR"] = address
    return client


def problem_of(response: TestResponse, status: int) -> dict[str, Any]:
    """The problem document of an answer."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/problem+json"
    document: dict[str, Any] = json.loads(response.data)
    assert document["status"] == status
    assert document["type"] == "about:blank"
    assert document["title"]
    return document


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("method", "path", "status", "advice"),
    [
        ("GET", "/", 404, "/runbooks/"),
        ("GET", "/runbooks/nope", 404, "there is no runbook 'nope'"),
        ("GET", "/api/alerts", 405, "Allow"),
        ("POST", "/api/alerts", 413, f"{MAX_BODY // 1024**2} MiB"),
    ],
)
def test_what_the_framework_refuses_says_what_to_do(method: str, path: str, status: int, advice: str) -> None:
    response = client_of().open(path, method=method, data=b" " * (MAX_BODY + 1) if method == "POST" else b"")
    assert advice in problem_of(response, status)["detail"]


# Who may scrape


@pytest.mark.parametrize("path", ["/metrics", "/sd/workers"])
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.1.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("token", [None, TOKEN])
def test_this_machine_scrapes_without_a_token(path: str, address: str, token: str | None) -> None:
    assert client_of(address, scrape_token=token).get(path).status_code != 401


@pytest.mark.parametrize("path", ["/metrics", "/sd/workers"])
@pytest.mark.parametrize("address", [ELSEWHERE, "10.0.0.1", "2001:db8::1", "", "unix:"])
def test_others_need_the_token(path: str, address: str) -> None:
    client = client_of(address, scrape_token=TOKEN)
    refused = client.get(path)
    assert "CALLBOARD_OPS_SCRAPE_TOKEN" in problem_of(refused, 401)["detail"]
    assert refused.headers["WWW-Authenticate"].lower().startswith("bearer")
    assert client.get(path, headers=bearer(TOKEN)).status_code != 401


@pytest.mark.parametrize("address", ["127.0.0.1", ELSEWHERE])
@pytest.mark.parametrize("shown", [
    "Bearer wrong", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer \xff\xfe",
])  # fmt: skip
def test_a_wrong_token_is_refused_from_everywhere(address: str, shown: str) -> None:
    response = client_of(address, scrape_token=TOKEN).get("/metrics", headers={"Authorization": shown})
    assert TOKEN not in json.dumps(problem_of(response, 401)), "a refusal tells no token"


def test_without_a_token_nobody_else_scrapes() -> None:
    response = client_of(ELSEWHERE).get("/metrics", headers=bearer("anything"))
    assert "CALLBOARD_OPS_SCRAPE_TOKEN_FILE" in problem_of(response, 401)["detail"]


def test_alertmanager_needs_its_own_token_on_this_machine_too() -> None:
    client = client_of(alerts_token=TOKEN, scrape_token="another")
    for headers in ({}, bearer("another")):
        response = client.post("/api/alerts", json={}, headers=headers)
        assert "CALLBOARD_OPS_ALERTS_TOKEN" in problem_of(response, 401)["detail"]
    assert client.post("/api/alerts", json={}, headers=bearer(TOKEN)).status_code == 400
    assert client_of().post("/api/alerts", json={}).status_code == 400, "without a token this machine may post"
    problem_of(client_of(ELSEWHERE).post("/api/alerts", json={}), 401)


@pytest.mark.parametrize("headers", [
    {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}, {"X-Real-IP": "127.0.0.1"},
])  # fmt: skip
def test_what_a_proxy_says_opens_nothing(headers: dict[str, str]) -> None:
    client = client_of(ELSEWHERE, scrape_token=TOKEN)
    problem_of(client.get("/metrics", headers=headers), 401)


@pytest.mark.parametrize("headers", [
    {"X-Forwarded-For": ELSEWHERE}, {"Forwarded": f"for={ELSEWHERE}"}, {"X-Real-IP": ELSEWHERE}, {"Via": "1.1 proxy"},
    {"X-Forwarded-Proto": "https"}, {"X-Forwarded-Port": "443"}, {"X-Client-IP": ELSEWHERE},
    {"True-Client-IP": ELSEWHERE}, {"CF-Connecting-IP": ELSEWHERE},
    {"Origin": "https://example.com"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "rebound.example.com"},
])  # fmt: skip
def test_a_proxy_or_a_strangers_page_on_this_machine_is_not_this_machine(headers: dict[str, str]) -> None:
    problem_of(client_of(scrape_token=TOKEN).get("/metrics", headers=headers), 401)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]:8080", "localhost:8080", "ops-api", "a.localhost:1"])
def test_this_machine_is_known_by_its_own_names(host: str) -> None:
    assert client_of().get("/metrics", headers={"Host": host}).status_code == 200


# Errors


def test_an_unknown_path() -> None:
    assert problem_of(client_of().get("/nothing"), 404)["instance"] == "/nothing"


def test_a_method_that_is_not_allowed() -> None:
    response = client_of().delete("/metrics")
    problem_of(response, 405)
    assert "GET" in response.headers["Allow"]


def test_a_bug_tells_its_caller_nothing(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(NOWHERE, OpsSettings())

    @app.get("/bug")
    def bug() -> str:
        raise RuntimeError("the password is hunter2")

    document = problem_of(app.test_client().get("/bug"), 500)
    assert "hunter2" not in json.dumps(document)
    assert "hunter2" in caplog.text, "the log says it"


def test_garbage_cannot_make_up_lines_of_the_log_or_long_ones(caplog: pytest.LogCaptureFixture) -> None:
    alert = {"status": "firing", "labels": {"x\nERROR made up": 1, "y" * 100_000: 1}}
    response = client_of().post("/api/alerts", json={"version": "4", "alerts": [alert]})
    (line,) = [record.getMessage() for record in caplog.records if record.name == "callboard.ops_api.alerts"]
    for told in (line, problem_of(response, 400)["detail"]):
        assert "labels" in told
        assert "\n" not in told
        assert len(told) < 1_500


def test_redis_away_is_no_bug() -> None:
    response = client_of().get("/sd/workers")
    assert "Redis is not reachable" in problem_of(response, 503)["detail"]
    assert response.headers["Retry-After"] == "5"


@pytest.mark.parametrize("path", ["/metrics", "/runbooks/", "/nothing"])
def test_every_answer_says_what_a_browser_may_do_with_it(path: str) -> None:
    headers = client_of().get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"] == "no-store"


# Formats


@pytest.mark.parametrize(("accept", "expected"), [
    ("", "text/plain; version=0.0.4; charset=utf-8"),
    ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
    ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
     "application/openmetrics-text; version=1.0.0; charset=utf-8"),
    ("application/openmetrics-text; version=x", "text/plain; version=0.0.4; charset=utf-8"),
])  # fmt: skip
def test_the_format_is_the_one_that_was_asked_for(accept: str, expected: str) -> None:
    response = client_of().get("/metrics", headers={"Accept": accept})
    assert response.content_type.startswith(expected)
    assert response.data.endswith(b"# EOF\n") == ("openmetrics" in expected)


@pytest.mark.parametrize(("accepted", "is_packed"), [("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False)])
def test_it_is_compressed_for_those_who_can_read_that(accepted: str, is_packed: bool) -> None:
    response = client_of().get("/metrics", headers={"Accept-Encoding": accepted})
    assert (response.headers.get("Content-Encoding") == "gzip") == is_packed
    assert response.data.startswith(b"\x1f\x8b") == is_packed


# Runbooks

PAGE = """# Queues <script>

## FailedJobsHigh

### Meaning

Many [failed](other.md#QueuePaused), see [the guide](../guides/monitoring.md), [here](#failedjobshigh) and
[there](https://example.com/x). <script>alert(1)</script> [bad](javascript:alert(1))

| a | b |
|---|---|
| 1 | `x` |
"""


@pytest.fixture
def runbooks(tmp_path: Path) -> FlaskClient:
    (tmp_path / "queues.md").write_text(PAGE)
    (tmp_path / "other.md").write_text("no heading\n")
    return client_of(ELSEWHERE, runbooks=tmp_path)


def test_a_runbook_is_a_page_for_everybody(runbooks: FlaskClient) -> None:
    response = runbooks.get("/runbooks/queues")
    assert (response.status_code, response.content_type) == (200, "text/html; charset=utf-8")
    assert '<h2 id="failedjobshigh">FailedJobsHigh</h2>' in response.text
    assert "<td><code>x</code></td>" in response.text
    assert "<title>Queues &lt;script&gt; · Callboard</title>" in response.text


def test_a_runbook_runs_nothing_and_loads_nothing_from_elsewhere(runbooks: FlaskClient) -> None:
    response = runbooks.get("/runbooks/queues")
    assert "<script" not in response.text
    assert 'href="javascript:' not in response.text
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self';")
    assert runbooks.get("/static/runbooks.css").status_code == 200


def test_links_lead_to_where_they_can_be_followed(runbooks: FlaskClient) -> None:
    text = runbooks.get("/runbooks/queues").text
    assert '<a href="/runbooks/other#queuepaused">failed</a>' in text
    assert '<a href="#failedjobshigh">here</a>' in text
    assert '<a href="https://example.com/x">there</a>' in text
    assert "see the guide," in text, "a page that is not served here is no link"


def test_the_index_lists_pages_and_their_alerts(runbooks: FlaskClient) -> None:
    text = runbooks.get("/runbooks/").text
    assert '<a href="/runbooks/queues#failedjobshigh">FailedJobsHigh</a>' in text
    assert '<a href="/runbooks/other">other</a>' in text
    assert runbooks.get("/runbooks").headers["Location"].endswith("/runbooks/")


def test_a_folder_with_a_page_of_its_own_begins_with_it() -> None:
    client = client_of()
    text = client.get("/runbooks/").text
    assert '<h2 id="before-the-first-command">' in text
    assert '<a href="/runbooks/queues#queuepaused">QueuePaused</a>' in text
    assert '<a href="/runbooks/#before-the-first-command">' in client.get("/runbooks/queues").text


@pytest.mark.parametrize("name", ["nothing", "README", "..%2f..%2fREADME", "queues.md", "QUEUES", "x" * 300])
def test_a_runbook_that_there_is_not(runbooks: FlaskClient, name: str) -> None:
    problem_of(runbooks.get(f"/runbooks/{name}"), 404)


@pytest.mark.parametrize(("heading", "expected"), [
    ("FailedJobsHigh", "failedjobshigh"), ("What to do", "what-to-do"), ("A `b` & c", "a-b--c"),
])  # fmt: skip
def test_an_anchor_is_the_heading_in_lower_case(heading: str, expected: str) -> None:
    assert anchor(heading) == expected


def test_the_runbooks_of_this_tree_are_served() -> None:
    client = client_of()
    names = {"", *(path.stem for path in OpsSettings().runbooks.glob("[a-z]*.md"))}
    pages = {f"/runbooks/{name}": client.get(f"/runbooks/{name}").text for name in names}
    assert pages
    anchors = {path: set(re.findall(r'<h2 id="([^"]+)"', text)) for path, text in pages.items()}
    assert all(anchors.values())
    for path, text in pages.items():
        for link in re.findall(r'href="(/runbooks/[^"]*|#[^"]*)"', text):
            page, _, anchor = link.partition("#")
            assert not anchor or anchor in anchors[page or path], f"{path} links to {link}"


# Settings


def test_a_token_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    client = client_of(ELSEWHERE, scrape_token_file=file)
    assert client.get("/metrics", headers=bearer(TOKEN)).status_code == 200


@pytest.mark.parametrize("name", ["scrape_token", "alerts_token"])
@pytest.mark.parametrize("token", ["", " ", "two words", "näive", "x\n"])
def test_a_token_that_cannot_be_sent_is_refused(name: str, token: str) -> None:
    with pytest.raises(ValidationError, match=f"CALLBOARD_OPS_{name.upper()}") as caught:
        OpsSettings(**{name: token})
    assert "two words" not in str(caught.value)


@pytest.mark.parametrize("name", ["scrape_token", "alerts_token"])
def test_a_file_without_a_token_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "token"
    file.write_text("\n")
    with pytest.raises(ValidationError, match=f"CALLBOARD_OPS_{name.upper()}_FILE is empty"):
        OpsSettings(**{f"{name}_file": file})
    file.write_text(TOKEN)
    with pytest.raises(ValidationError, match="both set"):
        OpsSettings(**{name: TOKEN, f"{name}_file": file})
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ValidationError, match="no text in ASCII"):
        OpsSettings(**{f"{name}_file": file})
    with pytest.raises(ValidationError, match="nothing cannot be read: No such file"):
        OpsSettings(**{f"{name}_file": tmp_path / "nothing"})


def test_settings_show_no_token() -> None:
    assert TOKEN not in repr(OpsSettings(scrape_token=TOKEN, alerts_token=TOKEN))


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_OPS_SCRAPE_TOKEN", TOKEN)
    found = OpsSettings().scraping
    assert found is not None
    assert found.get_secret_value() == TOKEN
