-- record.lua: what one attempt came to. Disables an endpoint that is gone, or that has only failed for too long.
--
-- KEYS[1]  endpoints   KEYS[2]  disabled   KEYS[3]  failing   KEYS[4]  successes   KEYS[5]  failures   hashes by id
-- ARGV[1]  id
-- ARGV[2]  'ok', 'failed' (it will be tried again), 'lost' (this event will not), 'gone' (so is the endpoint)
-- ARGV[3]  what happened, for people
-- ARGV[4]  how long it may only fail (ms)           ARGV[5]  and how many events it must have lost meanwhile
-- Of one that is failing are kept '<since>:<events lost>'.
-- Returns  1 it has been disabled now, 0 not, -1 no such endpoint
local id, what = ARGV[1], ARGV[2]
if redis.call('HEXISTS', KEYS[1], id) == 0 then return -1 end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local at = string.format('%.0f', now)
if what == 'ok' then
  redis.call('HDEL', KEYS[3], id)
  redis.call('HSET', KEYS[4], id, at)
  return 0
end
redis.call('HSET', KEYS[5], id, cjson.encode({at_ms = now, reason = ARGV[3]}))
local kept = redis.call('HGET', KEYS[3], id) or at
local since, lost = tonumber(kept:match('^%d+')), tonumber(kept:match(':(%d+)$') or 0)
if what == 'lost' then lost = lost + 1 end
redis.call('HSET', KEYS[3], id, string.format('%.0f:%d', since, lost))
local reason
if what == 'gone' then
  reason = ARGV[3]
elseif what == 'lost' and lost >= tonumber(ARGV[5]) and now - since >= tonumber(ARGV[4]) then
  reason = string.format('only failures for %.1f days; the last: %s', (now - since) / 86400000, ARGV[3])
else
  return 0
end
return redis.call('HSETNX', KEYS[2], id, cjson.encode({reason = reason, by = 'delivery', at_ms = now}))
