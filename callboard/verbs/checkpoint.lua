#!lua flags=allow-oom
-- checkpoint.lua: what a running job has done already, from the attempt that holds it; kept over retries and stalls.
--
-- KEYS[1]  record      KEYS[2]  checkpoints
-- ARGV[1]  job id      ARGV[2]  worker id   ARGV[3]  number of its fetch
-- ARGV[4]  name        ARGV[5]  JSON        ARGV[6]  bytes that all of a job's checkpoints may take
-- Returns  1 done, -1 no such job, -2 another attempt holds it, or none, -3 they would take too many bytes
-- include: record speaker
local code = may_speak(ARGV[1], ARGV[2], tonumber(ARGV[3]))
if code ~= 1 then return code end
local packed = redis.call('HGET', K.checkpoints, ARGV[1])
local all = packed and cmsgpack.unpack(packed) or {}
all[ARGV[4]] = ARGV[5]
packed = cmsgpack.pack(all)
if #packed > tonumber(ARGV[6]) then return -3 end
redis.call('HSET', K.checkpoints, ARGV[1], packed)
return 1
