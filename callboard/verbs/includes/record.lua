-- record.lua: the packed record of a job, and its states. Python's side of the same layout is callboard/records.py.
--
-- A record is a msgpack array; fields at its end that are still at their default are left out, so that a waiting job
-- costs few bytes. `put` fills the gap when a later field is set.
local STATE, PRIORITY, WORKSPACE, ADDED, READY, ATTEMPTS, STALLS, LOST, OPTIONS = 1, 2, 3, 4, 5, 6, 7, 8, 9
local TOKEN, SCORE, STARTED, WORKER, DURATION, REASON = 10, 11, 12, 13, 14, 15
local DEFAULTS = {'w', 5, '', 0, 0, 0, 0, 0, '', '', 0, 0, '', 0, ''}
local WAITING, DELAYED, ACTIVE, COMPLETED, FAILED, CANCELLED = 'w', 'd', 'a', 'c', 'f', 'x'

local function put(rec, field, value)
  for i = #rec + 1, field - 1 do rec[i] = DEFAULTS[i] end
  rec[field] = value
end

local function get(rec, field)
  local value = rec[field]
  if value == nil then return DEFAULTS[field] end
  return value
end

-- The record belongs to nobody any more: drop what only an active job has.
local function disown(rec)
  put(rec, TOKEN, '')
  put(rec, SCORE, 0)
  put(rec, STARTED, 0)
end
