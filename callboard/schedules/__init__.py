"""Schedules: recurring jobs, at the times of a cron line or every so many seconds.

A schedule lives in Redis. Any worker process ticks it: there is no scheduler process to forget, and none to duplicate.

``definition`` says what a schedule is and refuses what cannot be; ``cron`` and ``times`` say when it ticks; ``state``
is how it stands; ``turn`` is what one look at it brings about; ``admission`` makes its jobs, through the same door as
all others; ``ticking`` does a page of due schedules; ``ticker`` is the thread that does so in every worker process;
``putting`` makes and changes schedules; ``declared`` reads those that actors declare, and ``beside`` takes what the
command ``periodiq`` sends; ``operations`` is what ``QueueService`` offers.

What holds, also when any process dies, stops for a minute or has a wrong clock:

- A tick is added once, however many tick it. The last tick of a schedule is kept in its queue, and compared by the same
  script that adds the job. The lock under which one process ticks only saves work.
- A tick is not lost: where a schedule stands moves on only after its job was added. A process that dies in between is
  followed by one that asks for the same tick, and hears what came of it.
- All times are Redis'. A page of due schedules that took too long to be dealt with is refused and looked at again.
- What cannot be added (no such actor, an unfit payload, a full queue) is noted with the schedule, which goes on.
"""
