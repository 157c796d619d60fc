"""Errors as RFC 9457 problem documents, whatever went wrong and whoever asks."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from callboard.errors import BadRequest, CallboardError, StoreRefused, StoreUnavailable

#: The statuses of our own errors; those of a subclass are its parent's.
_STATUSES: dict[type[CallboardError], HTTPStatus] = {
    BadRequest: HTTPStatus.BAD_REQUEST,
    StoreRefused: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

#: What to do about errors that the framework raises, and that it says in words for readers of web pages.
_ADVICE = {
    NotFound: "there is nothing here; /runbooks/ has the runbooks, and docs/reference/ops-api.md lists all routes",
    MethodNotAllowed: "this route does not take this method; the header Allow says which it takes",
    RequestEntityTooLarge: "the body is larger than 1 MiB",
}

#: When to ask again that is away (seconds).
_RETRY_AFTER_S = 5

#: Headers of an HTTPException that mean something without its page.
_KEPT = ("Allow", "Retry-After", "WWW-Authenticate")


def install(app: Flask) -> None:
    """Let every error of ``app`` end as a problem document."""
    app.register_error_handler(HTTPException, _of_http)
    for error, status in _STATUSES.items():
        app.register_error_handler(error, lambda raised, status=status: _of_callboard(raised, status))
    app.register_error_handler(Exception, lambda raised: _of_bug(app, raised))


def problem(status: int, detail: str = "", **members: Any) -> Response:
    """A problem document. ``detail`` is for the one who asked: what is wrong, what to do. ``members``: more of it."""
    document = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        document["detail"] = detail
    document |= {"instance": request.path, **members}
    return Response(json.dumps(document) + "\n", status, content_type="application/problem+json")


def _of_http(error: HTTPException) -> Response:
    assert error.code is not None, "redirects are exceptions as well, and Flask answers them itself"
    advice = _ADVICE.get(type(error)) if error.description == type(error).description else None
    response = problem(error.code, advice or error.description or "")
    for name, value in error.get_headers(request.environ):
        if name in _KEPT:
            response.headers[name] = value
    return response


def _of_callboard(error: CallboardError, status: HTTPStatus) -> Response:
    response = problem(status, str(error))
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(_RETRY_AFTER_S)
    return response


def _of_bug(app: Flask, error: Exception) -> Response:
    """What nobody foresaw: the log has it, the one who asked is not told what may be secret."""
    app.logger.error("%s %s failed", request.method, request.path, exc_info=error)
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this should not have happened; the log of the ops API says more")
