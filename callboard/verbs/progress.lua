#!lua flags=allow-oom
-- progress.lua: how far a running job is, from the attempt that holds it.
--
-- KEYS[1]  record      KEYS[2]  progress    KEYS[3]  totals   KEYS[4]  history  KEYS[5]  events
-- ARGV[1]  job id      ARGV[2]  worker id   ARGV[3]  number of its fetch
-- ARGV[4]  JSON: a number or an object      ARGV[5]  events_max
-- Returns  1 done, -1 no such job, -2 another attempt holds it, or none
-- include: record clock count speaker
local code = may_speak(ARGV[1], ARGV[2], tonumber(ARGV[3]))
if code ~= 1 then return code end
redis.call('HSET', K.progress, ARGV[1], ARGV[4])
emit('progress', {ARGV[1]}, ARGV[5])
return 1
