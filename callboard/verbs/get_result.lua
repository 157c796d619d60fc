#!lua flags=no-writes
-- get_result.lua: the stored result of a job, which may outlive the job's record.
--
-- KEYS[1]  results
-- ARGV[1]  job id
-- Returns  the encoded result, nil when there is none
return redis.call('HGET', K.results, ARGV[1])
