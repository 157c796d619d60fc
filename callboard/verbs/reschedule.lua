-- reschedule.lua: change when a waiting or delayed job runs.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]   active      KEYS[7]  completed  KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] meta
-- KEYS[11]  totals      KEYS[12] history    KEYS[13] events     KEYS[14] wake       KEYS[15] tags
-- ARGV[1]   job id      ARGV[2]  delay (ms) ARGV[3]  due (ms; 0: use the delay)     ARGV[4]  fair (1 or 0)
-- ARGV[5]   events_max
-- Returns   {code, state before}: 1 done, -1 no such job, -2 it is neither waiting nor delayed
-- include: record clock count tags wake states early
local id = ARGV[1]
local packed = redis.call('HGET', K.record, id)
if not packed then return {NOT_FOUND, ''} end
local state = sub(packed, 1, 1)
if not is_waiting(state) and state ~= DELAYED then return {WRONG_STATE, state} end
local due = tonumber(ARGV[3])
if due == 0 then due = now + tonumber(ARGV[2]) end
if due <= now then
  if state == DELAYED then wait_early({id}, {packed}, ARGV[4] == '1', ARGV[5]) end
  return {1, state}
end
local head = redis.call('ZRANGE', K.delayed, 0, 0, 'WITHSCORES')
local r = decode(packed)
r.state, r.ready = DELAYED, due
redis.call('ZREM', ZSET_OF[state], id)
redis.call('ZADD', K.delayed, due, id)
redis.call('HSET', K.record, id, encode(r))
emit('delayed', {id}, ARGV[5])
if not head[2] or due < tonumber(head[2]) then mark() end
return {1, state}
