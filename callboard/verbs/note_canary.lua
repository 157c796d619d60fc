#!lua flags=allow-oom
-- note_canary.lua: a canary job got through its queue.
--
-- KEYS[1]  meta
-- ARGV[1]  the actor, whose name its schedule has as well
-- Returns  when (ms)
-- include: clock
redis.call('HSET', K.meta, 'canary', cmsgpack.pack({now, ARGV[1]}))
return now
