#!lua flags=no-writes
-- get.lua: the record of one job: its payload, its state, its attempts.
--
-- KEYS[1]  payload     KEYS[2]  record      KEYS[3]  delayed    KEYS[4]  active     KEYS[5]  completed
-- KEYS[6]  failed      KEYS[7]  cancelled   KEYS[8]  attempts
-- ARGV[1]  job id
-- Returns  {payload, packed record, score in its state (ms: due, lease expiry or end), packed attempts}, nil when there
--          is no such job. Its result may be large: get_result.
-- include: record
local id = ARGV[1]
local packed = redis.call('HGET', K.record, id)
if not packed then return false end
local zsets = {d = K.delayed, a = K.active, c = K.completed, f = K.failed, x = K.cancelled}
local key = zsets[string.sub(packed, 1, 1)]
local score = key and redis.call('ZSCORE', key, id) or '0'
return {redis.call('HGET', K.payload, id), packed, score, redis.call('HGET', K.attempts, id) or ''}
