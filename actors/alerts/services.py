"""Sending by apprise, which knows some hundred services by the form of their URLs.

apprise tells by its result that a service has not taken a notification, and says why in log entries. Those, and the
lines that it and its HTTP library log besides, may hold parts of the URL: tokens, telephone numbers.
"""

from __future__ import annotations

import html
import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from actors.alerts import wording
from actors.alerts.errors import NotTaken, UnknownService
from actors.alerts.payload import AlertPayload
from actors.alerts.settings import Target
from callboard.masking import MASK, mask_text

if TYPE_CHECKING:
    from apprise import NotifyType

#: Services whose messages hold fewer characters get summaries alone: they are read on a telephone.
_BRIEF = 1_000

#: Characters of a short message. It costs by parts of 160; longer ones say no more that helps in the night.
_SHORT = 320

#: Parts of a URL that are shorter are words rather than secrets.
_SECRET_LENGTH = 4


def notify(target: Target, said: AlertPayload, timeout_s: float) -> None:
    """Send one notification.

    Raises: UnknownService; NotTaken with what the service answered, without parts of the URL.
    """
    import apprise  # 0.2 s, and only workers that send need it

    # At debug level both write URLs with all that is in them.
    logging.getLogger("apprise").propagate = False
    logging.getLogger("urllib3").setLevel(logging.ERROR)

    url = target.url.get_secret_value()
    asset = apprise.AppriseAsset(app_id="Callboard", app_desc="Callboard alerts", storage_mode="memory")
    service = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        raise UnknownService(f"no service understands the URL of target {target.name!r}")
    notifier = apprise.Apprise(asset=asset)
    notifier.add(service)
    most = service.body_maxlen
    title = wording.title(said)
    if most < _BRIEF:
        body = wording.brief(said, max(1, _SHORT - len(title)))
    else:
        body = _cut(wording.text(said), most - len(title) - 2)
    form = apprise.NotifyFormat.TEXT
    if service.notify_format == apprise.NotifyFormat.HTML:
        # apprise's own conversion makes every space one that no line is broken at.
        form, body = apprise.NotifyFormat.HTML, html.escape(body).replace("\n", "<br>\n")
    result = notifier.notify(body, title, _kind(said), body_format=form, timeout=timeout_s, interpret_escapes=False)
    if not result:
        reasons = " ".join(dict.fromkeys(entry.message.strip() for entry in result.logs()))
        raise NotTaken(f"{target.name}: {_without_secrets(reasons, url) or result.status.name.lower()}")


def _kind(said: AlertPayload) -> NotifyType:
    from apprise import NotifyType

    if said.status == "resolved":
        return NotifyType.SUCCESS
    return NotifyType.FAILURE if said.severity == "critical" else NotifyType.WARNING


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _without_secrets(text: str, url: str) -> str:
    """``text`` without any part of ``url`` behind its scheme, in a bounded length."""
    parts = {unquote(each) for each in re.split(r"[/:@?&=,#\s+]+", url.partition("://")[2])}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= _SECRET_LENGTH:
            text = re.sub(re.escape(part), MASK, text, flags=re.IGNORECASE)
    return mask_text(text)[:500]
