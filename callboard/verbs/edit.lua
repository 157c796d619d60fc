-- edit.lua: replace the payload of a job that has not started.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]   active      KEYS[7]  completed  KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] payload
-- ARGV[1]   job id      ARGV[2]  the payload that is expected   ARGV[3]  the payload that replaces it
-- Returns   {code, state}: 1 done, -1 no such job, -2 it has started, -3 its payload is not the expected one
-- include: record states
local packed = redis.call('HGET', K.record, ARGV[1])
if not packed then return {NOT_FOUND, ''} end
local state = sub(packed, 1, 1)
if not has_not_started(state) then return {WRONG_STATE, state} end
if redis.call('HGET', K.payload, ARGV[1]) ~= ARGV[2] then return {CHANGED, state} end
redis.call('HSET', K.payload, ARGV[1], ARGV[3])
return {1, state}
