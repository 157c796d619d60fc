"""What ``bin/demo`` plays: real jobs on real workers, and a look at what came of them.

The demo is a producer: it adds jobs by name through ``QueueService`` and imports no actor. It sees them as any operator
would, through the same service, and what they did it reads back from where they did it.

- ``jobs``: every job of the demo, and what is to come of it
- ``stage``: the servers and workers, started and ended
- ``board``: the jobs' states, followed while they change
- ``play``: what is added when
- ``checks``, ``mailbox``: whether everything ended as it should
- ``screen``, ``report``: what is seen on the way and at the end
- ``smtp``: the outside world of the emails; tests use it too

Everything binds to 127.0.0.1 on free ports and nothing of it is for production.
"""
