#!lua flags=allow-oom
-- wake.lua: put a mark back that a process took and cannot follow, unless there is one by now.
--
-- KEYS[1]  wake        KEYS[2]  meta
-- Returns  1 put back, 0 the queue is paused, and resuming it will mark
-- include: wake
if redis.call('HEXISTS', K.meta, 'paused') == 1 then return 0 end
mark()
return 1
