-- cancel_all.lua: one step of cancelling the jobs of a state (not started) that a filter wants.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]   active      KEYS[7]  completed  KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] payload
-- KEYS[11]  attempts    KEYS[12] logs       KEYS[13] children   KEYS[14] progress   KEYS[15] checkpoints
-- KEYS[16]  cancels     KEYS[17] totals     KEYS[18] history    KEYS[19] events
-- ARGV[1]   state's key (waiting, held, delayed, blocked)       ARGV[2]  packed filter (see select.lua)
-- ARGV[3]   score and ARGV[4] id of the last job looked at ('' to begin)            ARGV[5]  jobs to look at
-- ARGV[6]   reason      ARGV[7]  cancelled jobs kept            ARGV[8]  events_max
-- Returns   {cancelled, looked at, score, id to go on from ('' when through)}
-- include: record clock lists count states forget stop place select
local ids, _, last_score, last_id = step_through(K[ARGV[1]], ARGV[3], ARGV[4], tonumber(ARGV[5]))
local wanted = matcher(cmsgpack.unpack(ARGV[2]), K.attempts)
local chosen, records = {}, {}
if #ids > 0 then
  local packed = redis.call('HMGET', K.record, unpack(ids))
  local payloads = redis.call('HMGET', K.payload, unpack(ids))
  for i, id in ipairs(ids) do
    if wanted(id, payloads[i] or '', packed[i]) then
      chosen[#chosen + 1] = id
      records[#records + 1] = packed[i]
    end
  end
end
cancel_unstarted(chosen, records, ARGV[6], tonumber(ARGV[7]), ARGV[8])
if #ids < tonumber(ARGV[5]) then last_score, last_id = '', '' end
return {#chosen, #ids, last_score, last_id}
