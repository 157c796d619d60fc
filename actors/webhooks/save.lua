-- save.lua: store, replace or delete an endpoint, if it is still what the caller has seen.
--
-- KEYS[1]  endpoints   hash: id -> JSON
-- KEYS[2]  index       zset: '<workspace>\0<id>', all of score 0: in lexical order
-- KEYS[3]  disabled    KEYS[4]  failing   KEYS[5]  successes   KEYS[6]  failures   hashes by id, cleared at a delete
-- ARGV[1]  id
-- ARGV[2]  what the caller has seen ('': nothing)
-- ARGV[3]  what to store ('': delete)
-- ARGV[4]  workspace
-- ARGV[5]  endpoints that a workspace may have
-- ARGV[6]  '1': it starts afresh, it is not failing
-- Returns  1 done, 0 it is something else by now, -1 the workspace has as many as it may
local stored = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if stored ~= ARGV[2] then return 0 end
local place = ARGV[4] .. '\0' .. ARGV[1]
if ARGV[3] == '' then
  redis.call('ZREM', KEYS[2], place)
  redis.call('HDEL', KEYS[1], ARGV[1])
  for k = 3, 6 do redis.call('HDEL', KEYS[k], ARGV[1]) end
  return 1
end
if stored == '' then
  local first, last = '[' .. ARGV[4] .. '\0', '(' .. ARGV[4] .. '\1'
  if redis.call('ZLEXCOUNT', KEYS[2], first, last) >= tonumber(ARGV[5]) then return -1 end
  redis.call('ZADD', KEYS[2], 0, place)
end
if ARGV[6] == '1' then redis.call('HDEL', KEYS[4], ARGV[1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
