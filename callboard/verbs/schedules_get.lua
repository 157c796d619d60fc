#!lua flags=no-writes
-- schedules_get.lua: one schedule.
--
-- KEYS[1]  schedules
-- ARGV[1]  id ('': only the time is asked for)
-- Returns  {now (ms), packed schedule ('' when there is none)}
-- include: clock
return {now, redis.call('HGET', K.schedules, ARGV[1]) or ''}
