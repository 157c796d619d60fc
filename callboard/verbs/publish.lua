#!lua flags=allow-oom
-- publish.lua: a worker process says which actors it can run, so that producers can check before they add.
--
-- KEYS[1]  actors
-- ARGV     actor name, JSON {queue, options}, actor name, …
-- Returns  how many actors are published now
redis.call('HSET', K.actors, unpack(ARGV))
return redis.call('HLEN', K.actors)
