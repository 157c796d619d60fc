#!lua flags=no-writes
-- get_result.lua: the stored result of a job, which may outlive the job's record. It is gone at its time, whenever the
-- sweep gets to it.
--
-- KEYS[1]  results    KEYS[2]  expiry
-- ARGV[1]  job id
-- Returns  the encoded result, nil when there is none
-- include: clock
local expiry = redis.call('ZSCORE', K.expiry, ARGV[1])
if expiry and tonumber(expiry) <= now then return false end
return redis.call('HGET', K.results, ARGV[1])
