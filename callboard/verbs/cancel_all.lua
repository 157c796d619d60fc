-- cancel_all.lua: one step of cancelling the jobs of a state (not started) that a filter wants.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]   active      KEYS[7]  completed  KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] payload
-- KEYS[11]  attempts    KEYS[12] logs       KEYS[13] children   KEYS[14] progress   KEYS[15] checkpoints
-- KEYS[16]  cancels     KEYS[17] totals     KEYS[18] history    KEYS[19] events
-- KEYS[20]  results     KEYS[21] expiry
-- KEYS[22] parents    KEYS[23] staged     KEYS[24] outbox     KEYS[25] meta
-- KEYS[26] wake
-- ARGV[1]   state's key (waiting, held, delayed, blocked)       ARGV[2]  packed filter (see select.lua)
-- ARGV[3]   added at or before (ms; 0: now, given back): what is added meanwhile is not meant
-- ARGV[4]   score and ARGV[5] id of the last job looked at ('' to begin)            ARGV[6]  jobs to look at
-- ARGV[7]   reason      ARGV[8]  cancelled jobs kept            ARGV[9]  events_max
-- Returns   {cancelled, looked at, score, id to go on from ('' when through), added at or before (ms)}
-- include: record clock lists count wake states outbox family kin told forget stop place select
local until_ms = tonumber(ARGV[3])
if until_ms == 0 then until_ms = now end
local ids, _, last_score, last_id = step_through(K[ARGV[1]], ARGV[4], ARGV[5], tonumber(ARGV[6]))
if #ids < tonumber(ARGV[6]) then last_score, last_id = '', '' end
local chosen, records = choose(ids, ARGV[2], function(packed)
  local _, _, added = unpack_struct('>c1HI8', packed)
  return added <= until_ms
end)
cancel_unstarted(chosen, records, ARGV[7], tonumber(ARGV[8]), ARGV[9])
return {#chosen, #ids, last_score, last_id, until_ms}
