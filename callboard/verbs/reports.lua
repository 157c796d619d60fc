#!lua flags=no-writes
-- reports.lua: the reports that are kept, newest first.
--
-- KEYS[1]  reports     KEYS[2]  report_times
-- ARGV[1]  made at or after (ms)            ARGV[2]  reports at most
-- ARGV[3]  kept for (ms): older ones, not dropped yet, are not shown
-- Returns  {id, time (ms), JSON, id, …}
-- include: clock
local since = math.max(tonumber(ARGV[1]), now - tonumber(ARGV[3]))
local found = redis.call('ZREVRANGEBYSCORE', K.report_times, '+inf', string.format('%.0f', since), 'WITHSCORES',
  'LIMIT', 0, ARGV[2])
local rows = {}
for i = 1, #found, 2 do
  rows[#rows + 1] = found[i]
  rows[#rows + 1] = tonumber(found[i + 1])
  rows[#rows + 1] = redis.call('HGET', K.reports, found[i])
end
return rows
