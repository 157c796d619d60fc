#!lua flags=no-writes
-- actors.lua: the published actors.
--
-- KEYS[1]  actors
-- Returns  actor name, JSON {queue, options}, actor name, …
return redis.call('HGETALL', K.actors)
