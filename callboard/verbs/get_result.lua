#!lua flags=no-writes
-- get_result.lua: what became of a job: its result, or why there is none. A result that has a time of its own may outlive
-- the job's record, and is gone at that time, whenever the sweep gets to it.
--
-- KEYS[1]  results     KEYS[2]  expiry      KEYS[3]  record      KEYS[4]  attempts
-- ARGV[1]  job id
-- Returns  {state (as in the record, '' without one), encoded result ('' when it is gone, nil when there was none),
--          reason, packed attempts (of a job that failed)}
-- include: record clock
local id = ARGV[1]
local packed, result = redis.call('HGET', K.record, id), redis.call('HGET', K.results, id)
local expiry = redis.call('ZSCORE', K.expiry, id)
if expiry and tonumber(expiry) <= now then result = packed and '' end
if not packed then return {'', result, '', ''} end
local rec = decode(packed)
local attempts = rec.state == FAILED and redis.call('HGET', K.attempts, id)
return {rec.state, result, rec.reason, attempts or ''}
