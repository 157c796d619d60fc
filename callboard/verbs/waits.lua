#!lua flags=no-writes
-- waits.lua: how long the jobs waited that completed last.
--
-- KEYS[1]  record      KEYS[2]  completed
-- ARGV[1]  jobs to look at, at most
-- Returns  a wait a job (ms): from when its last attempt could start to when it started
-- include: record
local ids = redis.call('ZREVRANGE', K.completed, 0, tonumber(ARGV[1]) - 1)
if #ids == 0 then return {} end
local waits = {}
for i, packed in ipairs(redis.call('HMGET', K.record, unpack(ids))) do
  local _, _, added = unpack_struct('>c1HI8', packed)
  local ready, _, _, _, _, started = unpack_struct('>I8HHHI8I8', packed, rest_at(packed))
  waits[i] = math.max(0, started - math.max(added, ready))
end
return waits
