"""What runs in a worker process, under Dramatiq's own Worker and CLI.

Promises, and who keeps them:

- the **pump** (one thread) is the only one to fetch and finish; it batches by load, survives outages, and resends a
  call whose reply was lost under the same number;
- **slots**: a job that was fetched starts at once or waits at most 50 ms in the reserve before it goes back, so that
  ``active`` means running and no job waits behind a long one while another process idles;
- the **lease keeper** (one thread, never logging, never taking a lock that jobs can hold) renews leases and arms a
  watchdog that ends a process whose GIL is held;
- the **interrupter** is the only one to raise exceptions into actors, and never after they returned;
- the **housekeeper** sweeps, promotes, trims and delivers the outbox of every queue of the catalogue;
- the **ticker** ticks schedules, one process of the deployment at a time (see ``callboard.schedules``);
- an **observer**, if there is one (metrics), is told in batches what Redis took, and can hold nothing up;
- what an actor's end brings about (result, retry, messages for other queues) is **committed with the finish** in one
  script, by the attempt that holds the token, or not at all.

Trust window: a process that is stopped or cut off for longer than its lease loses its jobs to others; what it then
reports is refused and counted (``stale_finishes``).
"""
