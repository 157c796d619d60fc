-- retry_all.lua: one step of retrying the ended jobs of a state that a filter wants.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]   active      KEYS[7]  completed  KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] meta
-- KEYS[11]  totals      KEYS[12] history    KEYS[13] events     KEYS[14] wake       KEYS[15] tags
-- KEYS[16]  payload     KEYS[17] attempts
-- ARGV[1]   state's key (completed, failed, cancelled)          ARGV[2]  packed filter (see select.lua)
-- ARGV[3]   ended at or before (ms; 0: now, given back): jobs that fail again meanwhile are not retried again
-- ARGV[4]   score and ARGV[5] id of the last job looked at ('' to begin)            ARGV[6]  jobs to look at
-- ARGV[7]   1: attempts begin anew          ARGV[8]  fair (1 or 0)                  ARGV[9]  events_max
-- Returns   {retried, looked at, score, id to go on from ('' when through), ended at or before (ms)}
-- include: record clock count tags wake states again place select
local until_ms = tonumber(ARGV[3])
if until_ms == 0 then until_ms = now end
local ids, scores, last_score, last_id = step_through(K[ARGV[1]], ARGV[4], ARGV[5], tonumber(ARGV[6]))
local wanted = matcher(cmsgpack.unpack(ARGV[2]), K.attempts)
local chosen, records, looked = {}, {}, 0
if #ids > 0 then
  local packed = redis.call('HMGET', K.record, unpack(ids))
  local payloads = redis.call('HMGET', K.payload, unpack(ids))
  for i, id in ipairs(ids) do
    if tonumber(scores[i]) > until_ms then
      last_id, last_score = '', ''
      break
    end
    looked = looked + 1
    if wanted(id, payloads[i] or '', packed[i]) then
      chosen[#chosen + 1] = id
      records[#records + 1] = packed[i]
    end
  end
end
wait_again(chosen, records, ARGV[7] == '1', ARGV[8] == '1', ARGV[9])
if #ids < tonumber(ARGV[6]) then last_score, last_id = '', '' end
return {#chosen, looked, last_score, last_id, until_ms}
