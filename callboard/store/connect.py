"""Connections from a URL: one server, Sentinel, or Cluster.

``redis://``, ``rediss://`` and ``unix://`` as redis-py reads them; ``redis+sentinel://[user:password@]host:port,host:port/service[/db]``;
``redis+cluster://[user:password@]host:port``.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from redis import ConnectionPool, Redis, RedisCluster, Sentinel
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.retry import Retry

from callboard.settings import Settings


def no_retry() -> Retry:
    """redis-py resends by default, which would run a script twice after a lost reply."""
    return Retry(NoBackoff(), 0)


def is_cluster(settings: Settings) -> bool:
    """Whether the URL names a Redis Cluster."""
    return settings.url.startswith("redis+cluster://")


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
    """A pool of connections to the one server, or to the master that Sentinel names.

    Raises: ValueError when the URL is not one that is understood.
    """
    url = settings.url
    if not url.startswith("redis+sentinel://"):
        return ConnectionPool.from_url(url, **_options(settings))
    parts = urlsplit(url)
    hosts, _, service = (parts.netloc.rpartition("@")[2], "", parts.path.strip("/"))
    if not service:
        raise ValueError("redis+sentinel:// needs the service's name: redis+sentinel://host:26379/mymaster")
    service, _, db = service.partition("/")
    nodes = [(host, int(port or 26379)) for host, _, port in (h.partition(":") for h in hosts.split(","))]
    auth: dict[str, Any] = {"db": int(db or 0)}
    if parts.username:
        auth["username"] = unquote(parts.username)
    if parts.password:
        auth["password"] = unquote(parts.password)
    sentinel = Sentinel(nodes, sentinel_kwargs=_options(settings), **_options(settings), **auth)
    master: Redis = sentinel.master_for(service, redis_class=Redis)
    return master.connection_pool


def cluster_client(settings: Settings, *, block_s: float = 0.0) -> RedisCluster:
    """A client of the cluster; ``block_s`` is how long its calls may block on the server (seconds)."""
    parts = urlsplit(settings.url)
    hosts = parts.netloc.rpartition("@")[2].split(",")
    nodes = [ClusterNode(host, int(port or 6379)) for host, _, port in (h.partition(":") for h in hosts)]
    options = _options(settings)
    options["socket_timeout"] = settings.socket_timeout_s + block_s
    if parts.username:
        options["username"] = unquote(parts.username)
    if parts.password:
        options["password"] = unquote(parts.password)
    return RedisCluster(startup_nodes=nodes, **options)
