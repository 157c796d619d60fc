"""The endpoints of a deployment, in Redis.

Kept in a fixed set of hashes by endpoint id: what people decide (``endpoints``, written by compare-and-set, so that
nobody's change is lost), and what deliveries see (``disabled failing successes failures``, written by single steps).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import SecretStr

from actors.webhooks.endpoints import (
    Endpoint,
    Secret,
    check_description,
    check_events,
    check_url,
    dump,
    in_force,
    load,
)
from actors.webhooks.errors import EndpointChanged, EndpointInvalid, EndpointNotFound, TooManyEndpoints
from actors.webhooks.settings import WebhookSettings
from actors.webhooks.signing import check_secret, new_secret
from callboard.errors import InvalidOption
from callboard.ids import new_id
from callboard.keys import application_key
from callboard.store.store import Store

#: Secrets that sign at once at most.
MAX_SECRETS = 5

#: How long a replaced secret goes on signing, unless said otherwise (seconds).
GRACE_S = 24 * 3600.0

#: Events that an endpoint must have lost, all attempts used up and no success between, before it is disabled: a few
#: deliveries far apart say little about the days between them.
LOST_BEFORE_DISABLED = 5

#: Endpoints of one page.
MAX_PAGE = 200

#: How often a change is tried while others change the same endpoint.
_TRIES = 100

#: What a method beside one called `list` cannot say.
Endpoints = list[Endpoint]

#: Each script with its keys, in order.
_SCRIPTS = {
    "look": ("endpoints", "disabled", "failing", "successes", "failures"),
    "save": ("endpoints", "index", "disabled", "failing", "successes", "failures"),
    "switch": ("endpoints", "disabled", "failing"),
    "record": ("endpoints", "disabled", "failing", "successes", "failures"),
}


@cache
def _script(name: str) -> str:
    return files("actors.webhooks").joinpath(f"{name}.lua").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class EndpointPage:
    """A page of endpoints; ``cursor`` continues, None at the end."""

    endpoints: list[Endpoint]
    cursor: str | None


class EndpointRegistry:
    """The endpoints of a deployment. Every method raises StoreUnavailable when Redis does not answer in time.

    Args:
        store: of the deployment.
        settings: which URLs are allowed and how many endpoints a workspace may have.
    """

    def __init__(self, store: Store, settings: WebhookSettings) -> None:
        self._store = store
        self._settings = settings

    # What people do

    def create(
        self, url: str, events: Sequence[str], *, workspace: str = "", description: str = "", secret: str | None = None
    ) -> Endpoint:
        """Register an endpoint. Without ``secret`` (``whsec_…``) it gets a new one: ``secrets[0].value``.

        Raises: EndpointInvalid naming the field; TooManyEndpoints.
        """
        value = SecretStr(new_secret() if secret is None else check_secret(secret))
        _check_workspace(workspace)
        now = self._rows([])[0]
        endpoint = Endpoint(
            id=f"ep_{new_id()}", workspace=workspace, url=check_url(url, self._settings.policy),
            events=check_events(events), secrets=(Secret(value, now),), created_ms=now,
            description=check_description(description),
        )  # fmt: skip
        code = self._run("save", endpoint.id, "", dump(endpoint), workspace, self._settings.endpoints_max, "")
        if code == -1:
            raise TooManyEndpoints(f"a workspace may have {self._settings.endpoints_max} endpoints; delete one first")
        return endpoint

    def get(self, endpoint_id: str) -> Endpoint:
        """Raises: EndpointNotFound."""
        return self.look(endpoint_id)[0]

    def look(self, endpoint_id: str, *, workspace: str | None = None) -> tuple[Endpoint, int]:
        """An endpoint and the time by Redis' clock (ms), against which its secrets are in force.

        Raises: EndpointNotFound; also for one of another workspace than ``workspace`` (None: of any).
        """
        now, [row] = self._rows([endpoint_id])
        found = None if row[0] is None else load(endpoint_id, row)
        if found is None or workspace not in (None, found.workspace):
            raise EndpointNotFound(f"there is no endpoint {endpoint_id[:64]!r}")
        return found, now

    def list(self, *, workspace: str | None = None, limit: int = 50, cursor: str | None = None) -> EndpointPage:
        """A page of the endpoints, of one workspace or of all, oldest first within a workspace.

        Raises: InvalidOption for a limit outside 1…200.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidOption(f"limit {limit!r} is not within 1…{MAX_PAGE}")
        first, last = ("-", "+") if workspace is None else (f"[{workspace}\0", f"({workspace}\1")
        first = first if cursor is None else f"({cursor}"
        places = self._store.execute("ZRANGEBYLEX", self._key("index"), first, last, "LIMIT", 0, limit + 1)
        texts = [place.decode() for place in places]
        ids = [text.rpartition("\0")[2] for text in texts[:limit]]
        _, rows = self._rows(ids)
        found = [load(each, row) for each, row in zip(ids, rows, strict=True) if row[0] is not None]
        return EndpointPage(found, texts[limit - 1] if len(texts) > limit else None)

    def of_workspace(self, workspace: str) -> Endpoints:
        """All endpoints of a workspace."""
        found: Endpoints = []
        cursor = None
        while True:
            page = self.list(workspace=workspace, limit=MAX_PAGE, cursor=cursor)
            found += page.endpoints
            cursor = page.cursor
            if cursor is None:
                return found

    def update(
        self,
        endpoint_id: str,
        *,
        url: str | None = None,
        events: Sequence[str] | None = None,
        description: str | None = None,
    ) -> Endpoint:
        """Change what is given, and nothing else of it. At a new URL its days of failures start anew.

        Raises: EndpointNotFound, EndpointInvalid; EndpointChanged.
        """
        changes: dict[str, Any] = {}
        if url is not None:
            changes["url"] = check_url(url, self._settings.policy)
        if events is not None:
            changes["events"] = check_events(events)
        if description is not None:
            changes["description"] = check_description(description)
        return self._change(endpoint_id, lambda endpoint, _: replace(endpoint, **changes))

    def rotate_secret(self, endpoint_id: str, *, grace_s: float = GRACE_S, secret: str | None = None) -> Endpoint:
        """Give it a new secret, ``secrets[0]``. Those before it go on signing for ``grace_s`` seconds, so that the
        receiver has the time to change over; with 0 they are void at once, as after a leak.

        Raises: EndpointNotFound; EndpointInvalid when the secret is none, or more than five would be in force.
        """
        if not 0 <= grace_s <= 366 * 24 * 3600:
            raise EndpointInvalid("grace_s: must be within 0 and one year, in seconds")
        value = SecretStr(new_secret() if secret is None else check_secret(secret))

        def rotated(endpoint: Endpoint, now: int) -> Endpoint:
            until = now + int(grace_s * 1000)
            older = [
                replace(each, until_ms=until if each.until_ms is None else min(each.until_ms, until))
                for each in endpoint.secrets
            ]
            secrets = (Secret(value, now), *in_force(older, now))
            if len(secrets) > MAX_SECRETS:
                raise EndpointInvalid(f"secret: {MAX_SECRETS} are in force; wait, or rotate with a shorter grace_s")
            return replace(endpoint, secrets=secrets)

        return self._change(endpoint_id, rotated)

    def disable(self, endpoint_id: str, reason: str, *, by: str = "operator") -> bool:
        """Send it no events until it is enabled. Returns: False if it was disabled already (that reason stays).

        Raises: EndpointNotFound; EndpointInvalid when reason or by is empty or too long.
        """
        for name, text in (("reason", reason), ("by", by)):
            if not text or len(text) > 500:
                raise EndpointInvalid(f"{name}: must be a text of 1 to 500 characters")
        return self._found(endpoint_id, self._run("switch", endpoint_id, reason, by)) == 1

    def enable(self, endpoint_id: str) -> bool:
        """Send it events again; its days of failures start anew. Returns: False if it was enabled already.

        Raises: EndpointNotFound.
        """
        return self._found(endpoint_id, self._run("switch", endpoint_id, "", "")) == 1

    def delete(self, endpoint_id: str) -> None:
        """Remove it with all that is kept about it. Deliveries that still wait fail.

        Raises: EndpointNotFound; EndpointChanged.
        """
        self._change(endpoint_id, lambda _endpoint, _now: None)

    # What deliveries do

    def record(self, endpoint_id: str, what: Literal["ok", "failed", "lost", "gone"], told: str = "") -> bool:
        """Note what an attempt came to: ``failed`` will be tried again, ``lost`` was the last one of its job, ``gone``
        is an endpoint that wants no more. ``told`` says what happened, for people.

        Returns: whether that disabled the endpoint. One that is gone from the registry is left alone.
        """
        days_ms = self._settings.disable_after_ms
        return int(self._run("record", endpoint_id, what, told, days_ms, LOST_BEFORE_DISABLED)) == 1

    # How

    def _change(self, endpoint_id: str, change: Callable[[Endpoint, int], Endpoint | None]) -> Endpoint:
        """Replace an endpoint by what ``change`` makes of it (None: delete it), nobody else's change lost."""
        for _ in range(_TRIES):
            now, [row] = self._rows([endpoint_id])
            if row[0] is None:
                raise EndpointNotFound(f"there is no endpoint {endpoint_id[:64]!r}")
            before = load(endpoint_id, row)
            after = change(before, now)
            stored = "" if after is None else dump(after)
            afresh = "1" if after is not None and after.url != before.url else ""
            most = self._settings.endpoints_max
            if self._run("save", endpoint_id, row[0], stored, before.workspace, most, afresh) == 1:
                if after is None:
                    return before
                return replace(after, failing_since_ms=None) if afresh else after
        raise EndpointChanged

    def _found(self, endpoint_id: str, code: int) -> int:
        if code == -1:
            raise EndpointNotFound(f"there is no endpoint {endpoint_id[:64]!r}")
        return code

    def _rows(self, ids: Sequence[str]) -> tuple[int, Sequence[Sequence[bytes | None]]]:
        now, *rows = self._run("look", *ids)
        return int(now), rows

    def _run(self, name: str, *args: Any) -> Any:
        keys = [self._key(key) for key in _SCRIPTS[name]]
        return self._store.execute("EVAL", _script(name), len(keys), *keys, *args)

    def _key(self, name: str) -> str:
        return application_key(self._store.settings.prefix, "webhooks", name)


def _check_workspace(workspace: Any) -> None:
    if not isinstance(workspace, str) or len(workspace) > 128 or any(c < " " for c in workspace):
        raise EndpointInvalid("workspace: must be a text of at most 128 printable characters")
