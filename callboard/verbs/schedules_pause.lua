-- schedules_pause.lua: a schedule ticks no more until it is resumed.
--
-- KEYS[1]  schedules   KEYS[2]  schedule_times
-- ARGV[1]  id          ARGV[2]  reason      ARGV[3]  who pauses it
-- Returns  1 paused, 0 it was paused already (nothing changed), -1 there is none
-- include: clock schedule
local s = read_schedule(ARGV[1])
if not s then return -1 end
if s[PAUSED_AT] > 0 then return 0 end
s[PAUSED_AT], s[PAUSE_REASON], s[PAUSED_BY] = now, ARGV[2], ARGV[3]
write_schedule(ARGV[1], s, 0)
return 1
