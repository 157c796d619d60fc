"""One attempt to tell one target of a notification."""

from __future__ import annotations

from typing import Any

from actors.alerts.datadog import SCHEME, post_event
from actors.alerts.payload import AlertPayload
from actors.alerts.services import notify
from actors.alerts.settings import Targets
from actors.alerts.steps import AlertStep
from callboard.steps import reached


def forward(said: AlertPayload, targets: Targets) -> dict[str, Any]:
    """Send a notification to the target that it names.

    Returns: ``{"target"}``.

    Raises:
        NotTaken: another attempt is due.
        PermanentError: no other attempt can help (see ``errors``).
    """
    target = targets[said.target]
    datadog = target.url.get_secret_value().lower().startswith(f"{SCHEME}://")
    reached(AlertStep.SENDING)
    (post_event if datadog else notify)(target, said, targets.timeout_s)
    reached(AlertStep.TAKEN)
    return {"target": target.name}
