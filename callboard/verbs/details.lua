#!lua flags=no-writes
-- details.lua: what a job has said of itself.
--
-- KEYS[1]  logs        KEYS[2]  progress    KEYS[3]  checkpoints
-- ARGV[1]  job id
-- Returns  {packed log lines {time (ms), line}, progress (JSON), packed checkpoints by name (JSON)}; '' for none
local id = ARGV[1]
return {
  redis.call('HGET', K.logs, id) or '', redis.call('HGET', K.progress, id) or '',
  redis.call('HGET', K.checkpoints, id) or '',
}
