"""What a webhook job may say, and what the endpoint gets of it."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

#: Standard Webhooks: names separated by full stops, such as post.published.
EVENT = r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$"

#: Neither full stops, which separate what is signed, nor anything that a header cannot hold.
WEBHOOK_ID = r"^[A-Za-z0-9_:-]{1,128}$"

_PLAIN_ID = re.compile(WEBHOOK_ID)


class WebhookPayload(BaseModel):
    """One event for one endpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    endpoint: str = Field(min_length=1, max_length=64, description="id of the endpoint")
    event: str = Field(pattern=EVENT, max_length=128, description="type of the event, such as post.published")
    data: dict[str, JsonValue] = Field(description="what the event is about")
    timestamp: AwareDatetime | None = Field(None, description="when it happened; default: when the job was added")
    webhook_id: str | None = Field(None, pattern=WEBHOOK_ID, description="default: made from the job's id")

    def id_for(self, job_id: str) -> str:
        """The ``webhook-id``: the same in every attempt of the job, by which receivers know an event they have had.

        A job's id is used as it is unless it has a full stop: an id with one could be moved into what follows it in the
        signed content (Standard Webhooks, "Signature scheme").
        """
        if self.webhook_id is not None:
            return self.webhook_id
        return job_id if _PLAIN_ID.fullmatch(job_id) else f"msg_{hashlib.sha256(job_id.encode()).hexdigest()[:32]}"

    def body(self, added_ms: int) -> bytes:
        """The body as it is signed and sent, byte for byte the same in every attempt.

        Args:
            added_ms: when the job was added (ms since the epoch), for events that do not say when they happened.
        """
        happened = self.timestamp or datetime.fromtimestamp(added_ms / 1000, UTC)
        said = happened.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # ASCII: what cannot be encoded in UTF-8 (a lone surrogate) passes as the escape that it came as.
        content = {"type": self.event, "timestamp": said, "data": self.data}
        return json.dumps(content, separators=(",", ":"), allow_nan=False).encode("ascii")
