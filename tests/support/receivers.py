"""Where alerts arrive on this machine: in place of Slack, PagerDuty, a dead-man service, the ops API and mailboxes.

::

    with AlertReceivers() as receivers:
        ...  # an Alertmanager whose secrets are receivers.secrets() and whose environment is receivers.environment()
        [message] = receivers.slack()
"""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Self

from demo.smtp import LocalSmtp, ReceivedMail
from demo.webhook_receiver import WebhookReceiver
from tests.support.wait import wait_until

#: What is shown to PagerDuty and to the ops API.
ROUTING_KEY, CALLBOARD_TOKEN = "0123456789abcdef0123456789abcdef", "alerts-token-of-the-test"

#: Path -> who is there.
SLACK, PAGERDUTY, DEAD_MAN, CALLBOARD = "/slack", "/pagerduty", "/dead-man?key=a&b", "/ops/api/alerts"

#: Whoever is mailed.
OPERATORS = "operators@example.org"


class AlertReceivers:
    """One HTTP server, a path a receiver, and one mail server."""

    def __init__(self) -> None:
        self.http = WebhookReceiver()
        self.smtp = LocalSmtp()

    def __enter__(self) -> Self:
        self.http.start()
        self.smtp.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.smtp.__exit__(kind, error, tb)
        self.http.stop()

    def secrets(self) -> dict[str, str]:
        """File -> content of the folder of secrets."""
        return {
            "slack_api_url": self.http.url(SLACK),
            "pagerduty_routing_key": ROUTING_KEY,
            "dead_man_url": self.http.url(DEAD_MAN),
            "callboard_token": CALLBOARD_TOKEN,
        }

    def environment(self) -> dict[str, str]:
        """What deploy/alertmanager/render is told of this place."""
        return {
            "ALERTMANAGER_PAGERDUTY_URL": self.http.url(PAGERDUTY),
            "ALERTMANAGER_CALLBOARD_URL": self.http.url("/ops"),
            "ALERTMANAGER_EMAIL_TO": OPERATORS,
            "ALERTMANAGER_EMAIL_FROM": "alertmanager@example.org",
            "ALERTMANAGER_SMTP": f"{self.smtp.host}:{self.smtp.port}",
            "ALERTMANAGER_SMTP_TLS": "false",
        }

    def came(self, path: str) -> list[dict[str, Any]]:
        """The JSON bodies that came to ``path``, in order."""
        return [json.loads(each.body) for each in list(self.http.requests) if each.path == path]

    def slack(self) -> list[dict[str, Any]]:
        """The attachments of Slack's messages, in order: each message of ours has one."""
        return [message["attachments"][0] for message in self.came(SLACK)]

    def pagerduty(self) -> list[dict[str, Any]]:
        """The events for PagerDuty, in order."""
        return self.came(PAGERDUTY)

    def forwarded(self) -> list[dict[str, Any]]:
        """What was posted to ``POST /api/alerts``, in order."""
        return self.came(CALLBOARD)

    def mails(self) -> list[ReceivedMail]:
        """The mails, in order."""
        return list(self.smtp.mailbox)

    def slack_titled(self, title: str, timeout_s: float = 20.0) -> dict[str, Any]:
        """Slack's message of this title, once it is there."""

        def look() -> dict[str, Any] | None:
            return next((each for each in self.slack() if each["title"] == title), None)

        found = wait_until(look, timeout_s, lambda: f"{title!r}; Slack has {[each['title'] for each in self.slack()]}")
        assert found is not None
        return found

    def page(self, action: str, alert: str, queue: str = "", timeout_s: float = 20.0) -> dict[str, Any]:
        """PagerDuty's event for a group of alerts, once it is there. ``action``: ``trigger`` or ``resolve``."""

        def look() -> dict[str, Any] | None:
            for event in self.pagerduty():
                said = event["payload"]
                if (event["event_action"], said["class"], said.get("component", "")) == (action, alert, queue):
                    return event
            return None

        found = wait_until(look, timeout_s, lambda: f"{action} of {alert} {queue}; there are {self.pagerduty()}")
        assert found is not None
        return found
