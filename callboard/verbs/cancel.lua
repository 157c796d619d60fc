-- cancel.lua: a job that has not started is cancelled at once; one that runs is told, through its worker's next call.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]   active      KEYS[7]  completed  KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] payload
-- KEYS[11]  attempts    KEYS[12] logs       KEYS[13] children   KEYS[14] progress   KEYS[15] checkpoints
-- KEYS[16]  cancels     KEYS[17] totals     KEYS[18] history    KEYS[19] events
-- KEYS[20]  results     KEYS[21] expiry
-- KEYS[22] parents    KEYS[23] staged     KEYS[24] outbox     KEYS[25] meta
-- KEYS[26] wake
-- ARGV[1]   job id      ARGV[2]  reason     ARGV[3]  cancelled jobs kept            ARGV[4]  events_max
-- Returns   {code, state before}: 1 cancelled, 2 told, 0 it is cancelled already, -1 no such job, -2 it has ended
-- include: record clock lists count wake states outbox family kin told forget stop
local id, reason = ARGV[1], ARGV[2]
local packed = redis.call('HGET', K.record, id)
if not packed then return {NOT_FOUND, ''} end
local state = sub(packed, 1, 1)
if state == CANCELLED then return {0, state} end
if state == ACTIVE then
  redis.call('HSETNX', K.cancels, id, cmsgpack.pack({reason, 0}))
  return {2, state}
end
if not has_not_started(state) then return {WRONG_STATE, state} end
cancel_unstarted({id}, {packed}, reason, tonumber(ARGV[3]), ARGV[4])
return {1, state}
