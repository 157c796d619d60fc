#!lua flags=allow-oom
-- pause.lua: stop starting jobs of a queue; what runs goes on, adds still land.
--
-- KEYS[1]  meta        KEYS[2]  events      KEYS[3]  wake     KEYS[4]  totals    KEYS[5]  history
-- ARGV[1]  reason ('' for none)             ARGV[2]  who ('' unknown)            ARGV[3]  events_max
-- Returns  1 paused by this call, 0 it was paused already
-- include: clock count
if redis.call('HEXISTS', K.meta, 'paused') == 1 then return 0 end
redis.call('HSET', K.meta, 'paused', now, 'paused_reason', ARGV[1], 'paused_by', ARGV[2])
redis.call('DEL', K.wake)
emit('paused', {}, ARGV[3])
return 1
