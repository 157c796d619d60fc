"""The job type ``webhook-delivery``: one job is one event for one endpoint, sent as a signed HTTP POST.

::

    payload.py     what a job may say, and the body and ``webhook-id`` that come of it
    settings.py    what deployments decide (``CALLBOARD_WEBHOOK_*``)
    endpoints.py   an endpoint: where it is, which events it wants, its secrets, how it is doing
    registry.py    endpoints in Redis; beside it the scripts ``look save switch record`` (.lua)
    signing.py     Standard Webhooks: secrets and signatures
    addresses.py   which addresses a worker may connect to
    guard.py       the socket layer that holds to it, and to the deadline of the attempt
    sending.py     one POST and its answer
    waiting.py     how long to wait after an answer that asks for it
    delivery.py    one attempt, in order: the actor calls ``deliver`` and nothing else
    publishing.py  for producers: an event to all endpoints that want it; sending a past one again
    steps.py       where fault tests may kill it
    errors.py      what can be tried again, what cannot, and what a caller did wrong

Promises: the ``webhook-id`` and the body are the same in every attempt, timestamp and signature are fresh. No worker
connects to an address that is not public unless the deployment allows it, whatever a name resolves to at that moment.
No attempt takes longer than its timeout, whatever the peer does. No secret, URL or payload appears in a log line.

Trust window: if the process dies between the endpoint's answer and the commit of the attempt, the event is sent again
with the same ``webhook-id``: at least once, as everywhere in Callboard.
"""
