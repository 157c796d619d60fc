"""The programs: command line, environment, and how to see that each does its work."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx2

from demo.monitoring.folder import Folder
from demo.monitoring.places import HOST
from monitoring.site import Site

#: How long one look at a program waits for its answer (in seconds).
_LOOK_S = 1.0

#: Program -> Debian package; bin/monitoring installs them or says how.
DEBIAN = {
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "prometheus-redis-exporter": "prometheus-redis-exporter",
}
#: Debian's names and those that the projects themselves use.
_NAMES = {
    "prometheus": ("prometheus",),
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "redis-exporter": ("prometheus-redis-exporter", "redis_exporter"),
    "grafana": ("grafana", "grafana-server"),
}


class Missing(Exception):
    """A program is not installed."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is started under a name. ``ready`` tells whether it does its work; ``env`` is added to the environment."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    #: Where a browser finds it; None: it has no page.
    url: str | None = None
    #: How long it may take to end (in seconds) until it is killed.
    grace_s: float = 10.0


def workers(app: str, processes: int, threads: int, grace_s: float, sd_url: str) -> Program:
    """Worker processes; ready when the ops API tells Prometheus of all of them."""
    command = [sys.executable, "-m", "callboard", "worker", "--app", app]
    command += ["--processes", str(processes), "--threads", str(threads), "--grace", str(grace_s)]

    def ready() -> bool:
        found = _get(sd_url)
        return found is not None and sum(len(group["targets"]) for group in found.json()) >= processes

    return Program("workers", command, ready, grace_s=grace_s + 20)


def ops_api(port: int, env: Mapping[str, str]) -> Program:
    """The ops API under gunicorn."""
    url = f"http://{HOST}:{port}"
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "--bind", f"{HOST}:{port}"]
    command += ["ops_api.app:create_app()"]
    return Program("ops-api", command, _answers(f"{url}/sd/workers"), env, url)


def redis_exporter(port: int, redis_url: str) -> Program:
    """redis_exporter on one server; its URL, which may hold a password, is not on the command line.

    Raises: Missing.
    """
    url = f"http://{HOST}:{port}"
    command = [_find("redis-exporter"), "-web.listen-address", f"{HOST}:{port}"]
    return Program("redis-exporter", command, _answers(f"{url}/metrics"), {"REDIS_ADDR": _plain(redis_url)}, url)


def prometheus(port: int, folder: Folder, site: Site) -> Program:
    """Prometheus on the configuration of the folder. Raises: Missing."""
    url = f"http://{HOST}:{port}"
    command = [
        _find("prometheus"), f"--config.file={folder.deploy / 'prometheus' / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder.made('prometheus')}", f"--web.listen-address={HOST}:{port}",
        f"--web.external-url={url}", "--enable-feature=exemplar-storage", "--log.level=warn",
        # What Alertmanager has not taken is told again after this; a minute is the usual time.
        f"--rules.alert.resend-delay={site.span('1m')}",
    ]  # fmt: skip
    return Program("prometheus", command, _answers(f"{url}/-/ready"), url=url)


def alertmanager(port: int, folder: Folder) -> Program:
    """Alertmanager on the configuration of the folder, alone: it gossips with nobody. Raises: Missing."""
    url = f"http://{HOST}:{port}"
    command = [
        _find("alertmanager"), f"--config.file={folder.alertmanager_yml}",
        f"--storage.path={folder.made('alertmanager')}", f"--web.listen-address={HOST}:{port}",
        f"--web.external-url={url}", "--cluster.listen-address=", "--log.level=info",
    ]  # fmt: skip
    return Program("alertmanager", command, _answers(f"{url}/-/ready"), url=url)


def grafana(port: int, folder: Folder, prometheus_url: str, alertmanager_url: str) -> Program | None:
    """Grafana with the dashboards of the folder; None where it is not installed."""
    try:
        binary = _find("grafana")
    except Missing:
        return None
    url = f"http://{HOST}:{port}"
    command = [binary, "server"] if binary.endswith("grafana") else [binary]
    command += ["--homepath", "/usr/share/grafana"]
    env = {
        "GF_SERVER_HTTP_ADDR": HOST, "GF_SERVER_HTTP_PORT": str(port), "GF_SERVER_ROOT_URL": url,
        "GF_PATHS_DATA": str(folder.made("grafana")), "GF_PATHS_LOGS": str(folder.made("grafana")),
        "GF_PATHS_PROVISIONING": str(folder.deploy / "grafana" / "provisioning"),
        "GF_AUTH_ANONYMOUS_ENABLED": "true", "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_ANALYTICS_REPORTING_ENABLED": "false", "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "PROMETHEUS_URL": prometheus_url, "ALERTMANAGER_URL": alertmanager_url,
        "DASHBOARDS_PATH": str(folder.deploy / "grafana" / "dashboards"),
    }  # fmt: skip
    return Program("grafana", command, _answers(f"{url}/api/health"), env, url)


def _find(name: str) -> str:
    for each in _NAMES[name]:
        found = shutil.which(each)
        if found:
            return found
    raise Missing(f"{_NAMES[name][0]} is not installed: sudo apt-get install {DEBIAN.get(_NAMES[name][0], name)}")


def _answers(url: str) -> Callable[[], bool]:
    return lambda: _get(url) is not None


def _get(url: str) -> httpx2.Response | None:
    """What it answers; None when it does not, or not well."""
    try:
        answer = httpx2.get(url, timeout=_LOOK_S, trust_env=False)
    except httpx2.HTTPError:
        return None
    return answer if answer.is_success else None


def _plain(redis_url: str) -> str:
    """The URL without its query, which is for our client alone."""
    return urlsplit(redis_url)._replace(query="").geturl()
