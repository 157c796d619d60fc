#!lua flags=allow-oom
-- resume.lua: start jobs of a queue again.
--
-- KEYS[1]  meta        KEYS[2]  events      KEYS[3]  wake     KEYS[4]  waiting   KEYS[5]  totals   KEYS[6]  history
-- ARGV[1]  events_max
-- Returns  1 resumed by this call, 0 it was not paused
-- include: clock count wake
if redis.call('HDEL', K.meta, 'paused', 'paused_reason', 'paused_by') == 0 then return 0 end
emit('resumed', {}, ARGV[1])
if redis.call('ZCARD', K.waiting) > 0 then mark() end
return 1
