#!lua flags=allow-oom
-- unregister.lua: a worker process ended in order.
--
-- KEYS[1]  workers     KEYS[2]  beats
-- ARGV[1]  worker id
-- Returns  1 it was registered, 0 not
redis.call('ZREM', K.beats, ARGV[1])
return redis.call('HDEL', K.workers, ARGV[1])
