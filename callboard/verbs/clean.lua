-- clean.lua: one step of removing the jobs of a state that are older than an age; never an active one.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]   active      KEYS[7]  completed  KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] payload
-- KEYS[11]  attempts    KEYS[12] logs       KEYS[13] children   KEYS[14] progress   KEYS[15] checkpoints
-- KEYS[16]  cancels     KEYS[17] totals     KEYS[18] history    KEYS[19] events
-- KEYS[20]  results     KEYS[21] expiry
-- KEYS[22] parents    KEYS[23] staged     KEYS[24] outbox     KEYS[25] meta
-- KEYS[26] wake
-- ARGV[1]   state's key  ARGV[2] older than (ms): since the end of ended jobs, since the add of others
-- ARGV[3]   jobs to remove at most          ARGV[4]  score and ARGV[5] id to go on from ('' to begin)
-- ARGV[6]   events_max
-- Returns   {ids removed, score, id to go on from ('' when through)}
-- include: record clock lists count wake states outbox family kin told forget erase place select
local key, before, limit = K[ARGV[1]], now - tonumber(ARGV[2]), tonumber(ARGV[3])
local ids, scores, last_score, last_id = step_through(key, ARGV[4], ARGV[5], limit)
local by_end = ARGV[1] == 'completed' or ARGV[1] == 'failed' or ARGV[1] == 'cancelled'
local old = {}
if #ids > 0 then
  local packed = not by_end and redis.call('HMGET', K.record, unpack(ids))
  for i, id in ipairs(ids) do
    local since = by_end and tonumber(scores[i]) or decode(packed[i]).added
    if since <= before then
      old[#old + 1] = id
    elseif by_end then
      last_score, last_id = '', ''
      break
    end
  end
end
if #old > 0 then
  redis.call('ZREM', key, unpack(old))
  if not by_end and tell_parents(old, CANCELLED, 'cleaned') then mark() end
  erase(old)
  count('cleaned', #old)
  if not by_end then count('dropped', #old) end
  emit('cleaned', old, ARGV[6])
end
if #ids < limit then last_score, last_id = '', '' end
return {old, last_score, last_id}
