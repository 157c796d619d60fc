#!lua flags=allow-oom
-- schedules_delete.lua: a schedule goes; its jobs stay.
--
-- KEYS[1]  schedules   KEYS[2]  schedule_times          KEYS[3]  schedule_ids
-- ARGV[1]  id
-- Returns  {now (ms), its queue ('' when there was none)}
-- include: clock schedule forsaken
local s = read_schedule(ARGV[1])
if not s then return {now, ''} end
redis.call('HDEL', K.schedules, ARGV[1])
redis.call('ZREM', K.schedule_times, ARGV[1])
redis.call('ZREM', K.schedule_ids, ARGV[1])
forsake(s[OF_QUEUE], ARGV[1])
return {now, s[OF_QUEUE]}
