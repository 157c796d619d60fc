-- retry_all.lua: one step of retrying the ended jobs of a state that a filter wants.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]   active      KEYS[7]  completed  KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] meta
-- KEYS[11]  totals      KEYS[12] history    KEYS[13] events     KEYS[14] wake       KEYS[15] tags
-- KEYS[16]  payload     KEYS[17] attempts   KEYS[18] results    KEYS[19] expiry
-- KEYS[20] children
-- ARGV[1]   state's key (completed, failed, cancelled)          ARGV[2]  packed filter (see select.lua)
-- ARGV[3]   ended at or before (ms; 0: now, given back): jobs that fail again meanwhile are not retried again
-- ARGV[4]   score and ARGV[5] id of the last job looked at ('' to begin)            ARGV[6]  jobs to look at
-- ARGV[7]   1: attempts begin anew          ARGV[8]  fair (1 or 0)                  ARGV[9]  events_max
-- Returns   {retried, looked at, score, id to go on from ('' when through), ended at or before (ms)}
-- include: record clock lists count tags wake states family again place select
local until_ms = tonumber(ARGV[3])
if until_ms == 0 then until_ms = now end
local ids, scores, last_score, last_id = step_through(K[ARGV[1]], ARGV[4], ARGV[5], tonumber(ARGV[6]))
if #ids < tonumber(ARGV[6]) then last_score, last_id = '', '' end
while #ids > 0 and tonumber(scores[#ids]) > until_ms do
  ids[#ids] = nil
  last_score, last_id = '', ''
end
local chosen, records = choose(ids, ARGV[2], function() return true end)
wait_again(chosen, records, ARGV[7] == '1', ARGV[8] == '1', ARGV[9])
return {#chosen, #ids, last_score, last_id, until_ms}
