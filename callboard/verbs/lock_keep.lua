#!lua flags=allow-oom
-- lock_keep.lua: hold a lock for longer, or give it back.
--
-- KEYS[1]  locks
-- ARGV[1]  name        ARGV[2]  token       ARGV[3]  held for, from now (ms; 0: given back)
-- Returns  1 done, 0 it is not held with this token any more (nothing changed)
-- include: clock
local held = redis.call('HGET', K.locks, ARGV[1])
held = held and cmsgpack.unpack(held)
if not held or held[2] ~= ARGV[2] then return 0 end
if ARGV[3] == '0' then
  redis.call('HDEL', K.locks, ARGV[1])
else
  redis.call('HSET', K.locks, ARGV[1], cmsgpack.pack({held[1], held[2], now + tonumber(ARGV[3])}))
end
return 1
