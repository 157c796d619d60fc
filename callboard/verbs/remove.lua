-- remove.lua: a job leaves for good, with all that is kept about it. One that runs is refused, or cancelled first.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]   active      KEYS[7]  completed  KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] payload
-- KEYS[11]  attempts    KEYS[12] logs       KEYS[13] children   KEYS[14] progress   KEYS[15] checkpoints
-- KEYS[16]  cancels     KEYS[17] totals     KEYS[18] history    KEYS[19] events
-- KEYS[20]  results     KEYS[21] expiry
-- KEYS[22] parents    KEYS[23] staged     KEYS[24] outbox     KEYS[25] meta
-- KEYS[26] wake
-- ARGV[1]   job id      ARGV[2]  force (1 or 0)                 ARGV[3]  events_max
-- Returns   {code, state before}: 1 removed, 2 told to stop and removed when it has, -1 no such job, -2 it runs
-- include: record clock lists count wake states outbox family kin told forget erase
local id = ARGV[1]
local packed = redis.call('HGET', K.record, id)
if not packed then return {NOT_FOUND, ''} end
local state = sub(packed, 1, 1)
if state == ACTIVE then
  if ARGV[2] ~= '1' then return {WRONG_STATE, state} end
  redis.call('HSET', K.cancels, id, cmsgpack.pack({'removed', 1}))
  return {2, state}
end
redis.call('ZREM', ZSET_OF[state], id)
if has_not_started(state) then
  count('dropped', 1)
  if tell_parents({id}, CANCELLED, 'removed') then mark() end
end
erase({id})
count('removed', 1)
emit('removed', {id}, ARGV[3])
return {1, state}
