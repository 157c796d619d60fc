#!lua flags=no-writes
-- events.lua: entries of a queue's event stream, oldest first.
--
-- KEYS[1]  events
-- ARGV[1]  where to begin ('-': the oldest kept, '(' and an id: after it)         ARGV[2]  entries at most
-- Returns  {{id, {field, value, …}}, …}
return redis.call('XRANGE', K.events, ARGV[1], '+', 'COUNT', ARGV[2])
