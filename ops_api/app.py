"""The composition of the ops API: settings, services, blueprints. Any WSGI server serves it:
``gunicorn 'ops_api.app:create_app()' --bind 127.0.0.1:8080 --threads 4``."""

from __future__ import annotations

from flask import Blueprint, Flask, Response

from callboard.settings import Settings
from ops_api import alerts, discovery, metrics, problems, runbooks, services
from ops_api.settings import OpsSettings

#: A file each.
BLUEPRINTS: tuple[Blueprint, ...] = (metrics.blueprint, discovery.blueprint, runbooks.blueprint, alerts.blueprint)

#: The largest body of a request (bytes). Alertmanager's are a few KiB an alert.
MAX_BODY = 1024 * 1024


def create_app(settings: Settings | None = None, ops: OpsSettings | None = None) -> Flask:
    """The ops API. Connects to nothing before the first request; each process has connections of its own.

    ``settings``, ``ops``: read from the environment unless they are given.

    Raises: pydantic.ValidationError, naming the variable, when a setting does not fit.
    """
    app = Flask(__package__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    services.install(app, services.Services(settings or Settings(), ops or OpsSettings()))
    problems.install(app)
    app.after_request(_headers)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return app


def _headers(response: Response) -> Response:
    """What every answer says to a browser: take it for what it is, show nothing beside it, keep no copy."""
    for name, value in (
        ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ):
        response.headers.setdefault(name, value)
    return response
