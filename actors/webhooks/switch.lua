-- switch.lua: disable or enable an endpoint. One that is enabled starts afresh: it is not failing.
--
-- KEYS[1]  endpoints   KEYS[2]  disabled   KEYS[3]  failing    hashes by id
-- ARGV[1]  id
-- ARGV[2]  why (''), with ARGV[3]
-- ARGV[3]  by whom; '': enable
-- Returns  1 done, 0 it was so already, -1 no such endpoint
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return -1 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[3], ARGV[1])
  return redis.call('HDEL', KEYS[2], ARGV[1])
end
local t = redis.call('TIME')
local entry = cjson.encode({reason = ARGV[2], by = ARGV[3], at_ms = t[1] * 1000 + math.floor(t[2] / 1000)})
return redis.call('HSETNX', KEYS[2], ARGV[1], entry)
