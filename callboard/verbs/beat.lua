#!lua flags=allow-oom
-- beat.lua: a worker process says that it lives.
--
-- KEYS[1]  workers     KEYS[2]  beats
-- ARGV[1]  worker id   ARGV[2]  packed record of the process ('' unchanged)
-- ARGV[3]  look around: forget workers silent for longer than this (ms; 0: do not look)
-- Returns  {now (ms), 1 when it looked and the worker's record was not there}
-- include: clock
redis.call('ZADD', K.beats, now, ARGV[1])
local missing = 0
if ARGV[2] ~= '' then
  redis.call('HSET', K.workers, ARGV[1], ARGV[2])
end
local silence = tonumber(ARGV[3])
if silence > 0 then
  missing = 1 - redis.call('HEXISTS', K.workers, ARGV[1])
  local gone = redis.call('ZRANGEBYSCORE', K.beats, '-inf', now - silence, 'LIMIT', 0, 100)
  if #gone > 0 then
    redis.call('ZREM', K.beats, unpack(gone))
    redis.call('HDEL', K.workers, unpack(gone))
  end
end
return {now, missing}
