#!lua flags=no-writes
-- measures_deployment.lua: what a scrape by Prometheus asks of the deployment. Bounded, however many schedules there are.
--
-- KEYS[1]  deployment  KEYS[2]  actors      KEYS[3]  schedules   KEYS[4]  schedule_times
-- ARGV[1]  a schedule that was not looked at for so long after its time is overdue (ms)
-- Returns  {when schedules were last looked at (ms, 0: never), overdue schedules that no actor declares,
--           {id, packed schedule, …} of those that actors declare, INFO memory ('' when it is refused)}
--
-- A declared schedule has its actor's name; of 1,000 actors and 1,000 overdue schedules at most it is known which are.
-- One of such a name that is damaged is told as it is.
-- include: clock
local MAX = 1000
local ORIGIN = 4

local function is_made_at_run_time(packed)
  local readable, schedule = pcall(cmsgpack.unpack, packed)
  return readable and type(schedule) == 'table' and schedule[ORIGIN] == 'api'
end

local names, declared, rows = redis.call('HKEYS', K.actors), {}, {}
for i = #names, MAX + 1, -1 do names[i] = nil end
if #names > 0 then
  for i, packed in ipairs(redis.call('HMGET', K.schedules, unpack(names))) do
    if packed and not is_made_at_run_time(packed) then
      declared[names[i]] = true
      rows[#rows + 1] = names[i]
      rows[#rows + 1] = packed
    end
  end
end

local late = string.format('%.0f', now - tonumber(ARGV[1]))
local overdue = redis.call('ZCOUNT', K.schedule_times, '-inf', late)
if overdue > 0 then
  -- '<queue>/<schedule>' is what a queue is to forget of a schedule that has left it.
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', K.schedule_times, '-inf', late, 'LIMIT', 0, MAX)) do
    if declared[member] or string.find(member, '/', 1, true) then overdue = overdue - 1 end
  end
end

local info = redis.pcall('INFO', 'memory')
return {
  tonumber(redis.call('HGET', K.deployment, 'ticked') or 0), overdue, rows, type(info) == 'string' and info or '',
}
