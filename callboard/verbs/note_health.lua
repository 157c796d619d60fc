#!lua flags=allow-oom
-- note_health.lua: note what a check found of a queue; a change of its status becomes an event, once.
--
-- KEYS[1]  meta        KEYS[2]  events      KEYS[3]  totals     KEYS[4]  history
-- ARGV[1]  status (healthy, degraded, unhealthy)      ARGV[2]  reasons (JSON, a list)
-- ARGV[3]  when the check looked at the queue (ms)    ARGV[4]  events_max
-- Returns  {code, status before}: 1 noted, the status changed, 0 noted, it did not, -1 not noted: a later look is
--
-- The note lives with the queue, so that it and the event are written in one step on Cluster, too. A queue of which
-- nothing is noted counts as healthy.
-- include: clock count
local looked, status, since = tonumber(ARGV[3]), 'healthy', 0
local note = redis.call('HGET', K.meta, 'health')
if note then
  note = cmsgpack.unpack(note)
  -- A look in the future was taken by a clock that has jumped since.
  if looked < note[4] and note[4] <= now then return {-1, note[1]} end
  status, since = note[1], note[3]
end
local changed = status ~= ARGV[1]
if changed or since == 0 then since = looked end
redis.call('HSET', K.meta, 'health', cmsgpack.pack({ARGV[1], ARGV[2], since, looked}))
if not changed then return {0, status} end
emit('queue_health_changed', {}, ARGV[4],
  '{"old":"' .. status .. '","new":"' .. ARGV[1] .. '","reasons":' .. ARGV[2] .. '}')
return {1, status}
