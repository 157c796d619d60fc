"""Connections to what a URL names (see ``address``): one server, Sentinel, or Cluster."""

from __future__ import annotations

from typing import Any

from redis import ConnectionPool, Redis, RedisCluster, Sentinel
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry

from callboard.settings import Settings
from callboard.store.address import parse_address


def no_retry() -> Retry:
    """redis-py resends by default, which would run a script twice after a lost reply."""
    return Retry(NoBackoff(), 0)


def is_cluster(settings: Settings) -> bool:
    """Whether the URL names a Redis Cluster."""
    return parse_address(settings.url).kind == "cluster"


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "protocol": 2,
        "socket_timeout": settings.socket_timeout_s,
        "socket_connect_timeout": settings.connect_timeout_s,
        "socket_keepalive": True,
        "retry": no_retry(),
        "health_check_interval": 0,
    }


def connection_pool(settings: Settings) -> ConnectionPool:
    """A pool of connections to the one server, or to the master that Sentinel names."""
    address = parse_address(settings.url)
    options = {**_options(settings), **address.options}
    if address.kind == "one":
        if address.url.startswith("unix:"):
            del options["socket_keepalive"]  # TCP's alone; redis-py refuses it
        return ConnectionPool.from_url(address.url, **options)
    # The Sentinels are asked with the same TLS, and without the password of the servers.
    asking = {name: value for name, value in options.items() if name not in {"username", "password", "db"}}
    sentinel = Sentinel(list(address.nodes), sentinel_kwargs=asking, **options)
    master: Redis = sentinel.master_for(address.service, redis_class=Redis)
    return master.connection_pool


def cluster_client(settings: Settings, *, block_s: float = 0.0) -> RedisCluster:
    """A client of the cluster; ``block_s`` is how long its calls may block on the server (seconds)."""
    address = parse_address(settings.url)
    options = {**_options(settings), **address.options, "socket_timeout": settings.socket_timeout_s + block_s}
    return RedisCluster(startup_nodes=[ClusterNode(host, port) for host, port in address.nodes], **options)
