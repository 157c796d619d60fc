-- schedule.lua: a schedule as it is stored: a packed list with these places. Python's side is callboard/schedules/state.py.
-- needs: clock, KEYS schedules schedule_times
--
--   revision   when it was defined (ms), rising     step       rises with all that moves it on
--   queue, origin, definition (JSON)                next       first tick that is not dealt with yet (s; 0: none)
--   last, last_job   the last tick that made a job (s), and the job
--   made, skipped, errors   counts                  error, error_at   the last error and when it was (ms)
--   paused (ms; 0: not), pause_reason, paused_by    ended      why it ticks no more ('' while it does)
--   queued     ticks that wait for the previous job (s)
local REVISION, STEP, OF_QUEUE, ORIGIN, DEFINITION, NEXT, LAST, LAST_JOB, MADE, SKIPPED_TICKS = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local ERRORS, LAST_ERROR, ERROR_AT, PAUSED_AT, PAUSE_REASON, PAUSED_BY, ENDED, QUEUED = 11, 12, 13, 14, 15, 16, 17, 18

local function read_schedule(id)
  local packed = redis.call('HGET', K.schedules, id)
  return packed and cmsgpack.unpack(packed)
end

-- `look`: when the schedule is to be looked at (ms; 0: never). A paused one is not, nor one that has ended.
local function write_schedule(id, s, look)
  redis.call('HSET', K.schedules, id, cmsgpack.pack(s))
  if look > 0 and s[PAUSED_AT] == 0 and s[ENDED] == '' then
    redis.call('ZADD', K.schedule_times, look, id)
  else
    redis.call('ZREM', K.schedule_times, id)
  end
end
