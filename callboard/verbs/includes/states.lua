-- states.lua: where a job stands, and the answers of verbs on one job.
-- needs: record, KEYS waiting held delayed blocked active completed failed cancelled
local HELD = 'h'
local ZSET_OF = {
  [WAITING] = K.waiting, [HELD] = K.held, [DELAYED] = K.delayed, [BLOCKED] = K.blocked, [ACTIVE] = K.active,
  [COMPLETED] = K.completed, [FAILED] = K.failed, [CANCELLED] = K.cancelled,
}

-- Answers: {code, state before}. 1 done, 2 told to the worker that runs it, 0 it was so already, and what is wrong:
local NOT_FOUND, WRONG_STATE, CHANGED = -1, -2, -3

local function has_not_started(state)
  return state == WAITING or state == HELD or state == DELAYED or state == BLOCKED
end

-- Waiting jobs of a queue with `limit` in force are in `held`; both wait.
local function is_waiting(state) return state == WAITING or state == HELD end
