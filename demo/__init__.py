"""What ``bin/demo`` plays: real jobs on real workers, and a look at what came of them.

The demo is a producer: it adds jobs by name through ``QueueService`` and imports no actor. It sees them as any operator
would, through the same service, and what they did it reads back from where they did it.

- ``emails``, ``webhooks``, ``upkeep``: every job of the demo (``jobs``), and what is to come of it
- ``stage``: the servers and workers, started and ended
- ``commands``: what the demo does as an operator, on the command line
- ``board``: the jobs' states, followed while they change
- ``play``: what is added when
- ``evidence``, ``mailbox``: what is left to see at the end
- ``checks``, ``email_checks``, ``webhook_checks``, ``upkeep_checks``: whether everything ended as it should
- ``screen``, ``narrator``, ``report``: what is seen on the way and at the end
- ``smtp``, ``webhook_receiver``: the outside world of emails and webhooks; tests use it too
- ``monitoring``: another set, what ``bin/monitoring`` runs

Everything binds to 127.0.0.1 on free ports and nothing of it is for production.
"""
