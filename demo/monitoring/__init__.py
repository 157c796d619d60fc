"""What ``bin/monitoring`` runs: the set of deploy/compose.yaml from Debian's packages, in one terminal.

Redis (an embedded Valkey, or the one that ``REDIS_URL`` names), workers, the ops API, redis_exporter, Prometheus,
Alertmanager, and Grafana where it is installed: all on 127.0.0.1, with their data and logs in one folder. The rules,
dashboards and Alertmanager's configuration are those of the source tree, written anew for the ports that are in use.

- ``places``: ports and addresses
- ``folder``: what lies where in the data folder, and the files written into it
- ``programs``: the command line of each program, and how to see that it is ready
- ``child``: one program that runs
- ``stage``: all of them, started and ended
- ``command``: the command

Nothing is restarted: when one of them ends by itself, its last words are shown and everything ends. The end-to-end test
of the monitoring runs on this.
"""
