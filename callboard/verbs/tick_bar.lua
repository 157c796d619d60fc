#!lua flags=allow-oom
-- tick_bar.lua: ticks of a schedule up to a time are over, or what is kept of them goes.
--
-- KEYS[1]  ticks
-- ARGV[1]  schedule    ARGV[2]  time (ms)
-- ARGV[3]  1: forget the schedule, unless it has ticked after that time; 0: add no tick up to that time any more
-- Returns  1 done, 0 it has ticked after that time, or there is nothing to forget (nothing changed)
local stored, time = redis.call('HGET', K.ticks, ARGV[1]), tonumber(ARGV[2])
local last = stored and cmsgpack.unpack(stored) or {0, '', ''}
if last[1] > time then return 0 end
if ARGV[3] == '1' then return redis.call('HDEL', K.ticks, ARGV[1]) end
redis.call('HSET', K.ticks, ARGV[1], cmsgpack.pack({time, last[2], 'b'}))
return 1
