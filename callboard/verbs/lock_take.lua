-- lock_take.lua: be the one run of a name, until an expiry.
--
-- KEYS[1]  locks
-- ARGV[1]  name        ARGV[2]  owner       ARGV[3]  token: proves who holds it   ARGV[4]  held for (ms)
-- Returns  {1, owner} taken, {0, owner who holds it} not taken
--
-- An owner takes what it holds already with a new token: a job that runs again after its process died goes on at once,
-- and the old token is worth nothing.
-- include: clock
local held = redis.call('HGET', K.locks, ARGV[1])
if held then
  held = cmsgpack.unpack(held)
  if held[3] > now and held[1] ~= ARGV[2] then return {0, held[1]} end
end
redis.call('HSET', K.locks, ARGV[1], cmsgpack.pack({ARGV[2], ARGV[3], now + tonumber(ARGV[4])}))
return {1, ARGV[2]}
