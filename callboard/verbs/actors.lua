#!lua flags=no-writes
-- actors.lua: the published actors.
--
-- KEYS[1]  actors      KEYS[2]  deployment
-- Returns  {format version of the data (0: no worker has started yet), {actor name, JSON {queue, options}, …}}
return {tonumber(redis.call('HGET', K.deployment, 'format') or 0), redis.call('HGETALL', K.actors)}
