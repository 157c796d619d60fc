-- retry.lua: an ended job waits again, at its own priority; its history is kept.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]   active      KEYS[7]  completed  KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] meta
-- KEYS[11]  totals      KEYS[12] history    KEYS[13] events     KEYS[14] wake       KEYS[15] tags
-- KEYS[16]  results     KEYS[17] expiry
-- KEYS[18] children
-- ARGV[1]   job id      ARGV[2]  1: attempts begin anew, 0: they count on           ARGV[3]  fair (1 or 0)
-- ARGV[4]   events_max
-- Returns   {code, state before}: 1 done, -1 no such job, -2 it has not ended
-- include: record clock lists count tags wake states family again
local id = ARGV[1]
local packed = redis.call('HGET', K.record, id)
if not packed then return {NOT_FOUND, ''} end
local state = sub(packed, 1, 1)
if not wait_again({id}, {packed}, ARGV[2] == '1', ARGV[3] == '1', ARGV[4]) then return {WRONG_STATE, state} end
return {1, state}
