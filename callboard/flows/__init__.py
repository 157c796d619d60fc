"""Flows: jobs that depend on jobs, over any queues.

A flow is a tree of jobs (strictly, a graph without circles: a step may be what several others wait for). A job with
children waits in state ``blocked`` until all of them have ended. A chain is a job whose only child is the job before
it; a group's callback is a job whose children are the group. So there is one mechanism, and every job of a flow is
there, with its state, from the beginning.

``plan`` says what depends on what and refuses what cannot be; ``adding`` turns a plan into one atomic call; ``tree``
reads a flow back; ``steering`` cancels, retries and removes a whole; ``operations`` is what ``QueueService`` offers.

What holds, also when any process dies at any time:

- A flow is added as a whole or not at all. Its root is added by the same script that puts its other jobs into the
  outbox of the root's queue; large flows are put aside in parts first, and count from the root on.
- A child's end and its message to its parent are one step, in its own queue. The parent's queue takes each message
  once. So no link is lost and none is taken twice.
- A job waits only for children that are there, or on their way: one that is refused (its queue was closed, its id is
  taken) has failed as far as its parent is concerned.
"""
