-- schedules_resume.lua: a paused schedule ticks again; what came due meanwhile is over.
--
-- KEYS[1]  schedules   KEYS[2]  schedule_times
-- ARGV[1]  id          ARGV[2]  revision for which the next tick was found      ARGV[3]  next tick (s; 0: none)
-- Returns  1 resumed, 0 it was not paused (nothing changed), -1 there is none, -2 it was changed meanwhile: ask again
-- include: clock schedule
local s, next_tick = read_schedule(ARGV[1]), tonumber(ARGV[3])
if not s then return -1 end
if s[REVISION] ~= tonumber(ARGV[2]) then return -2 end
if s[PAUSED_AT] == 0 then return 0 end
s[PAUSED_AT], s[PAUSE_REASON], s[PAUSED_BY] = 0, '', ''
s[STEP], s[NEXT], s[QUEUED] = s[STEP] + 1, next_tick, {}
if next_tick == 0 and s[ENDED] == '' then s[ENDED] = 'end' end
write_schedule(ARGV[1], s, next_tick * 1000)
return 1
