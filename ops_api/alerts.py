"""``POST /api/alerts``: Alertmanager's webhook. One job a target is added; the answer does not wait for them.

Alertmanager tries again after 5xx, and never after 4xx. So what cannot be added now (Redis away, no worker yet, the
queue full) is 503, and only what can never be taken is 400.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from actors.alerts.errors import AlertsMisconfigured
from actors.alerts.incoming import IncomingGroup
from actors.alerts.publishing import publish_notification
from actors.alerts.settings import load_targets
from callboard.errors import QueueClosed, QueueFull, UnknownActor
from callboard.service import PartlyAdded, QueueService
from ops_api.access import check_token
from ops_api.problems import problem
from ops_api.services import services
from ops_api.settings import PREFIX

blueprint = Blueprint("alerts", __name__)

logger = logging.getLogger("callboard.ops_api.alerts")

#: Reasons that a refusal names; garbage has thousands.
_MOST_REASONS = 5

#: Characters of a label's name that a refusal tells.
_LONGEST_NAME = 60


@blueprint.post("/api/alerts")
def post_alerts() -> ResponseReturnValue:
    """Take one notification, version 4 of Alertmanager's message.

    Returns: 202 ``{"jobs": [{"id", "queue", "status"}]}``, one a target that wants it; ``status`` is "duplicate" when
        the same notification was posted before. Without targets the list is empty.
    """
    check_token(services().alerting, setting=f"{PREFIX}ALERTS_TOKEN", loopback_always=False)
    try:
        group = IncomingGroup.model_validate_json(request.get_data())
    except ValidationError as error:
        reasons = _reasons(error)
        logger.warning("what was posted to /api/alerts from %s is no notification: %s", request.remote_addr, reasons)
        return problem(HTTPStatus.BAD_REQUEST, f"this is no notification of Alertmanager's (version 4): {reasons}")
    try:
        added = publish_notification(_service(), group, load_targets())
    except AlertsMisconfigured as error:
        logger.error("alerts cannot be forwarded: %s", error)
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
    except (UnknownActor, QueueFull, QueueClosed, PartlyAdded) as error:
        logger.warning("a notification was not taken: %s", error)
        return _later(str(error))
    jobs = [{"id": each.id, "queue": each.queue, "status": each.status} for each in added]
    return jsonify(jobs=jobs), HTTPStatus.ACCEPTED


def _service() -> QueueService:
    return QueueService(services().settings, store=services().store)


def _later(why: str) -> Response:
    response = problem(HTTPStatus.SERVICE_UNAVAILABLE, why)
    response.headers["Retry-After"] = "5"
    return response


def _reasons(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    shown = [f"{'.'.join(map(_shown, each['loc'])) or 'body'}: {each['msg']}" for each in found]
    left = len(shown) - _MOST_REASONS
    return "; ".join(shown[:_MOST_REASONS]) + (f"; and {left} more" if left > 0 else "")


def _shown(part: int | str) -> str:
    """A part of a place. Names of labels are whoever posts' own: they must not break a line of the log, nor fill it."""
    if isinstance(part, int):
        return str(part)
    return part if part.isidentifier() and len(part) <= _LONGEST_NAME else repr(part[:_LONGEST_NAME])
