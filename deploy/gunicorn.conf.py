"""How gunicorn serves the ops API: ``gunicorn --config deploy/gunicorn.conf.py 'ops_api.app:create_app()'``."""

from pathlib import Path

#: Requests wait for Redis, not for a core: threads are enough. Two replicas of the exporter agree, as two workers do.
workers = 1
threads = 8

_MEMORY = Path("/dev/shm")  # noqa: S108  # the folder is made for this

#: Heartbeats of its workers as files in memory: on a disk that is busy they come late, and workers are killed for it.
worker_tmp_dir = str(_MEMORY) if _MEMORY.is_dir() else None

#: Nobody steers it from outside; by default it writes a socket into the home folder.
control_socket_disable = True
