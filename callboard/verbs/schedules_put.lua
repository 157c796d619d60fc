-- schedules_put.lua: make a schedule, or change one.
--
-- KEYS[1]  schedules   KEYS[2]  schedule_times          KEYS[3]  schedule_ids
-- ARGV[1]  id          ARGV[2]  queue                   ARGV[3]  origin: api or declared
-- ARGV[4]  definition (JSON)                            ARGV[5]  its next tick (s; 0: none)
-- Returns  {code, packed schedule, queue that it was in before ('' for none, or this one)}: 2 made, 1 changed, 0 it was so
--          already (nothing changed), -1 it has another origin (nothing changed)
--
-- A change keeps the pause and the counts. Ticks that waited, and those that were due and not added, go.
-- include: clock schedule forsaken
local id, queue, origin, definition, next_tick = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local s, code, before = read_schedule(id), 1, ''
if s then
  if s[ORIGIN] ~= origin then return {-1, cmsgpack.pack(s), ''} end
  if s[DEFINITION] == definition then return {0, cmsgpack.pack(s), ''} end
  if s[OF_QUEUE] ~= queue then
    before = s[OF_QUEUE]
    forsake(before, id)
  end
  s[REVISION] = math.max(now, s[REVISION] + 1)
  s[STEP] = math.max(now, s[STEP] + 1)
  s[OF_QUEUE], s[DEFINITION], s[NEXT], s[ENDED], s[QUEUED] = queue, definition, next_tick, '', {}
else
  -- Steps begin with the time: one of a schedule of this id that was deleted never comes again.
  s = {now, now, queue, origin, definition, next_tick, 0, '', 0, 0, 0, '', 0, 0, '', '', '', {}}
  redis.call('ZADD', K.schedule_ids, 0, id)
  code = 2
end
if next_tick == 0 then s[ENDED] = 'end' end
redis.call('ZREM', K.schedule_times, queue .. '/' .. id)
write_schedule(id, s, next_tick * 1000)
return {code, cmsgpack.pack(s), before}
