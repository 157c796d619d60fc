#!lua flags=allow-oom
-- publish.lua: a worker process says which actors it can run, so that producers can check before they add.
--
-- KEYS[1]  actors      KEYS[2]  deployment
-- ARGV[1]  format version of the data that this process reads and writes
-- ARGV[2…] actor name, JSON {queue, options}, actor name, …
-- Returns  the format version of the data in Redis; when it is another than the process's, nothing was changed
local format = redis.call('HGET', K.deployment, 'format')
if not format then
  format = ARGV[1]
  redis.call('HSET', K.deployment, 'format', format)
end
if format == ARGV[1] and #ARGV > 1 then redis.call('HSET', K.actors, unpack(ARGV, 2)) end
return tonumber(format)
