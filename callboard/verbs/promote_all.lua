-- promote_all.lua: one step of promoting the delayed jobs that a filter wants.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  delayed    KEYS[4]  meta       KEYS[5]  totals
-- KEYS[6]   history     KEYS[7]  events     KEYS[8]  wake       KEYS[9]  tags       KEYS[10] payload
-- KEYS[11]  attempts
-- ARGV[1]   packed filter (see select.lua)
-- ARGV[2]   delayed at or before (ms; 0: now, given back): a job that fails again meanwhile keeps its backoff
-- ARGV[3]   score and ARGV[4] id of the last job looked at ('' to begin)            ARGV[5]  jobs to look at
-- ARGV[6]   fair (1 or 0)                   ARGV[7]  events_max
-- Returns   {promoted, looked at, score, id to go on from ('' when through), delayed at or before (ms)}
-- include: record clock count tags wake early place select
local until_ms = tonumber(ARGV[2])
if until_ms == 0 then until_ms = now end
local ids, _, last_score, last_id = step_through(K.delayed, ARGV[3], ARGV[4], tonumber(ARGV[5]))
if #ids < tonumber(ARGV[5]) then last_score, last_id = '', '' end

-- A job is delayed since its add, or since the end of its last attempt.
local function is_due(packed)
  local r = decode(packed)
  return math.max(r.added, r.started + r.duration) <= until_ms
end

local chosen, records = choose(ids, ARGV[1], is_due)
wait_early(chosen, records, ARGV[6] == '1', ARGV[7])
return {#chosen, #ids, last_score, last_id, until_ms}
