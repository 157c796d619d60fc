-- schedules_done.lua: schedules have been looked at and move on.
--
-- KEYS[1]  schedules   KEYS[2]  schedule_times
-- ARGV[1]  packed rows, each {id, step that was looked at, next look (ms; 0: never), next tick (s), last tick that made a
--          job (s; 0: none), its job, made, skipped, errors (counts to add), error, ended, ticks that wait}
-- ARGV[2]  packed marks of forsaken.lua that were dealt with
-- Returns  how many moved on: not those that were changed, or that another process moved on, meanwhile
-- include: clock schedule
local moved = 0
for _, row in ipairs(cmsgpack.unpack(ARGV[1])) do
  local id, step, look, next_tick, last, last_job, made, skipped, errors, error, ended, queued = unpack(row)
  local s = read_schedule(id)
  if not s then
    redis.call('ZREM', K.schedule_times, id)
  elseif s[STEP] == step then
    s[STEP], s[NEXT], s[ENDED], s[QUEUED] = step + 1, next_tick, ended, queued
    if last > 0 then s[LAST], s[LAST_JOB] = last, last_job end
    s[MADE], s[SKIPPED_TICKS], s[ERRORS] = s[MADE] + made, s[SKIPPED_TICKS] + skipped, s[ERRORS] + errors
    if error ~= '' then s[LAST_ERROR], s[ERROR_AT] = error, now end
    write_schedule(id, s, look)
    moved = moved + 1
  end
end
local marks = cmsgpack.unpack(ARGV[2])
if #marks > 0 then redis.call('ZREM', K.schedule_times, unpack(marks)) end
return moved
