"""The registry of endpoints, on each kind of server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from actors.webhooks.errors import EndpointInvalid, EndpointNotFound, TooManyEndpoints
from actors.webhooks.registry import MAX_SECRETS, EndpointRegistry
from actors.webhooks.settings import WebhookSettings
from callboard.errors import InvalidOption
from callboard.keys import application_key
from callboard.store.store import Store
from tests.support.wait import wait_until
from tests.support.webhooks import secret_of

URL = "https://hooks.example.com/a"
KEYS = ("endpoints", "index", "disabled", "failing", "successes", "failures")


@pytest.fixture
def registry(store: Store) -> EndpointRegistry:
    return EndpointRegistry(store, WebhookSettings(endpoints_max=20))


def test_what_is_created_is_found(registry: EndpointRegistry) -> None:
    made = registry.create(URL, ["post.*"], workspace="acme", description="Ada’s hook")
    assert registry.get(made.id) == made
    assert (made.workspace, made.url, made.events, made.description) == ("acme", URL, ("post.*",), "Ada’s hook")
    assert made.enabled
    assert secret_of(made).startswith("whsec_")
    assert secret_of(made) != secret_of(registry.create(URL, ["*"]))


def test_listing_goes_by_workspace_and_page(registry: EndpointRegistry) -> None:
    # One name is the beginning of another.
    made = {
        name: [registry.create(URL, ["*"], workspace=name).id for _ in range(3)] for name in ("ac", "acme", "", "z")
    }
    for name, ids in made.items():
        assert [each.id for each in registry.of_workspace(name)] == ids
    everyone, cursor = [], None
    while True:
        page = registry.list(limit=5, cursor=cursor)
        assert len(page.endpoints) <= 5
        everyone += [each.id for each in page.endpoints]
        cursor = page.cursor
        if cursor is None:
            break
    assert everyone == [*made[""], *made["ac"], *made["acme"], *made["z"]]
    with pytest.raises(InvalidOption):
        registry.list(limit=0)


def test_an_update_changes_what_is_given_and_nothing_else(registry: EndpointRegistry) -> None:
    made = registry.create(URL, ["post.*"], workspace="acme", description="first")
    assert registry.update(made.id, events=["user.*", "post.deleted"]).url == URL
    changed = registry.update(made.id, url="https://other.example.com/", description="")
    assert changed == registry.get(made.id)
    assert changed.events == ("user.*", "post.deleted")
    assert (changed.secrets, changed.created_ms, changed.workspace) == (made.secrets, made.created_ms, "acme")


def test_a_new_url_starts_without_failures(registry: EndpointRegistry) -> None:
    made = registry.create(URL, ["*"])
    registry.record(made.id, "failed", "oh no")
    registry.update(made.id, url=URL, description="the same URL")
    assert registry.get(made.id).failing_since_ms is not None
    changed = registry.update(made.id, url="https://other.example.com/")
    assert (changed.failing_since_ms, registry.get(made.id)) == (None, changed)


def test_changes_at_once_do_not_lose_each_other(registry: EndpointRegistry) -> None:
    made = registry.create(URL, ["*"])
    at_once = threading.Barrier(4)

    def change(n: int) -> None:
        at_once.wait()
        if n == 0:
            registry.update(made.id, description="described")
        elif n == 1:
            registry.update(made.id, events=["post.*"])
        elif n == 2:
            registry.rotate_secret(made.id)
        else:
            registry.update(made.id, url="https://other.example.com/")

    for _ in range(10):
        registry.update(made.id, url=URL, events=["*"], description="")
        registry.rotate_secret(made.id, grace_s=0)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(change, range(4)))
        found = registry.get(made.id)
        assert (found.description, found.events, found.url, len(found.secrets)) == (
            "described", ("post.*",), "https://other.example.com/", 2,
        )  # fmt: skip


def test_a_limit_a_workspace_holds_also_at_once(store: Store) -> None:
    registry = EndpointRegistry(store, WebhookSettings(endpoints_max=3))
    made = [registry.create(URL, ["*"], workspace="acme") for _ in range(2)]

    def create(_: int) -> bool:
        try:
            registry.create(URL, ["*"], workspace="acme")
        except TooManyEndpoints:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(create, range(8))) == 1
    with pytest.raises(TooManyEndpoints, match="may have 3 endpoints"):
        registry.create(URL, ["*"], workspace="acme")
    registry.create(URL, ["*"], workspace="other")
    registry.delete(made[0].id)
    registry.create(URL, ["*"], workspace="acme")


def test_rotation_keeps_the_old_secret_for_its_grace(registry: EndpointRegistry) -> None:
    made = registry.create(URL, ["*"])
    rotated = registry.rotate_secret(made.id, grace_s=0.3)
    new, old = rotated.secrets
    assert (old.value, new.until_ms) == (made.secrets[0].value, None)
    assert old.until_ms is not None
    assert old.until_ms - new.since_ms == 300
    endpoint, now = registry.look(made.id)
    assert endpoint.secrets_in_force(now) == [secret_of(rotated), secret_of(made)]

    def of_old() -> bool:
        endpoint, now = registry.look(made.id)
        return secret_of(made) in endpoint.secrets_in_force(now)

    wait_until(lambda: not of_old(), 5, "the old secret to be void")
    assert len(registry.rotate_secret(made.id).secrets) == 2, "what is void is dropped"


def test_a_second_rotation_does_not_lengthen_the_first_grace(registry: EndpointRegistry) -> None:
    made = registry.create(URL, ["*"])
    first = registry.rotate_secret(made.id, grace_s=60)
    second = registry.rotate_secret(made.id, grace_s=3600)
    assert second.secrets[2].until_ms == first.secrets[1].until_ms
    assert [each.value for each in registry.rotate_secret(made.id, grace_s=0).secrets] != []
    assert len(registry.get(made.id).secrets) == 1, "after a leak only the new one signs"


def test_so_many_secrets_sign_at_once_and_no_more(registry: EndpointRegistry) -> None:
    made = registry.create(URL, ["*"])
    for _ in range(MAX_SECRETS - 1):
        registry.rotate_secret(made.id)
    with pytest.raises(EndpointInvalid, match="5 are in force"):
        registry.rotate_secret(made.id)


def test_disable_and_enable(registry: EndpointRegistry) -> None:
    made = registry.create(URL, ["*"])
    assert registry.disable(made.id, "billing", by="ada")
    assert not registry.disable(made.id, "again")
    found = registry.get(made.id)
    assert found.disabled is not None
    assert (found.disabled.reason, found.disabled.by) == ("billing", "ada")
    assert abs(found.disabled.at_ms - registry.look(made.id)[1]) < 10_000
    assert registry.enable(made.id)
    assert not registry.enable(made.id)
    assert registry.get(made.id) == made


def test_a_deletion_leaves_nothing(registry: EndpointRegistry, store: Store) -> None:
    made = registry.create(URL, ["*"], workspace="acme")
    registry.record(made.id, "ok")
    registry.record(made.id, "failed", "oh no")
    registry.disable(made.id, "billing")
    registry.delete(made.id)
    registry.record(made.id, "ok")
    registry.record(made.id, "gone", "oh no")
    assert registry.of_workspace("acme") == []
    prefix = store.settings.prefix
    assert [name for name in KEYS if store.execute("EXISTS", application_key(prefix, "webhooks", name))] == []


@pytest.mark.parametrize("call", ["get", "delete", "enable", "rotate_secret", "update", "disable"])
def test_what_is_not_there_says_so(registry: EndpointRegistry, call: str) -> None:
    more: tuple[Any, ...] = ("why",) if call == "disable" else ()
    with pytest.raises(EndpointNotFound, match="there is no endpoint 'ep_nowhere'"):
        getattr(registry, call)("ep_nowhere", *more)


def test_no_key_is_named_after_an_endpoint(registry: EndpointRegistry, store: Store) -> None:
    made = registry.create(URL, ["*"])
    registry.record(made.id, "failed", "oh no")
    registry.record(made.id, "ok")
    registry.disable(made.id, "billing")
    assert application_key("callboard", "webhooks", "endpoints") == "callboard:{0}:webhooks:endpoints"
    for name in ("endpoints", "index", "disabled", "successes", "failures"):
        assert store.execute("EXISTS", application_key(store.settings.prefix, "webhooks", name)) == 1
