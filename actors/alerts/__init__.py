"""The job type ``forward_alert``: one job is one notification of Alertmanager's for one target.

::

    incoming.py     what Alertmanager posts (its webhook, version 4), checked at the door
    payload.py      what a job says: so much of it as people are told, and the target's name
    publishing.py   from the one to the other: a job a target, one even if Alertmanager posts again
    settings.py     who the targets are (``CALLBOARD_ALERTS_*``)
    wording.py      title and text, long ones and ones for a telephone
    services.py     sending by apprise: SMS, SendGrid, Discord and whatever else it knows
    datadog.py      sending to Datadog's event stream, which apprise does not know
    forwarding.py   one attempt: the actor calls ``forward`` and nothing else
    steps.py        where fault tests may kill it
    errors.py       what can be tried again, and what cannot

Promises: a target's URL, which holds its secrets, is in no job, log line, result or error. What a target has not taken
is tried again as the queue says, however long Alertmanager has forgotten it.

Trust window: no service tells whether it has had a notification already. If the process dies between the service's
answer and the commit of the attempt, people read it twice. Notifications may overtake each other when one of them had
to be tried again; each says since when its alerts fire.
"""
