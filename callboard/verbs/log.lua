#!lua flags=allow-oom
-- log.lua: a line in a running job's log, from the attempt that holds it; the oldest lines go when there are too many.
--
-- KEYS[1]  record      KEYS[2]  logs
-- ARGV[1]  job id      ARGV[2]  worker id   ARGV[3]  number of its fetch
-- ARGV[4]  line        ARGV[5]  lines kept
-- Returns  1 done, -1 no such job, -2 another attempt holds it, or none
-- include: record clock speaker
local code = may_speak(ARGV[1], ARGV[2], tonumber(ARGV[3]))
if code ~= 1 then return code end
local packed = redis.call('HGET', K.logs, ARGV[1])
local lines = packed and cmsgpack.unpack(packed) or {}
lines[#lines + 1] = {now, ARGV[4]}
while #lines > tonumber(ARGV[5]) do table.remove(lines, 1) end
redis.call('HSET', K.logs, ARGV[1], cmsgpack.pack(lines))
return 1
