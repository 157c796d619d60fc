-- keep_report.lua: keep a report under its id, once; old ones go.
--
-- KEYS[1]  reports     KEYS[2]  report_times
-- ARGV[1]  report's id                      ARGV[2]  report (JSON)
-- ARGV[3]  kept for (ms)                    ARGV[4]  reports kept at most
-- Returns  {time (ms), JSON} of the report that is kept under the id: this one, or the one that was there
-- include: clock
local LIMIT = 100

local function drop(ids)
  if #ids == 0 then return end
  redis.call('ZREM', K.report_times, unpack(ids))
  redis.call('HDEL', K.reports, unpack(ids))
end

local old = redis.call('ZRANGEBYSCORE', K.report_times, '-inf', now - tonumber(ARGV[3]), 'LIMIT', 0, LIMIT)
drop(old)
local kept = redis.call('HGET', K.reports, ARGV[1])
if kept then return {tonumber(redis.call('ZSCORE', K.report_times, ARGV[1])), kept} end
redis.call('HSET', K.reports, ARGV[1], ARGV[2])
redis.call('ZADD', K.report_times, now, ARGV[1])
local over = redis.call('ZCARD', K.report_times) - tonumber(ARGV[4])
if over > 0 then drop(redis.call('ZRANGE', K.report_times, 0, math.min(over, LIMIT) - 1)) end
return {now, ARGV[2]}
