-- attempts.lua: the history of a job's attempts, newest last, bounded.
-- needs: KEYS attempts. An attempt is {number, worker, started, ended, outcome, error type, message, traceback}.
local function keep_attempt(id, attempt, kept)
  local packed = redis.call('HGET', K.attempts, id)
  local list = packed and cmsgpack.unpack(packed) or {}
  list[#list + 1] = attempt
  while #list > kept do table.remove(list, 1) end
  redis.call('HSET', K.attempts, id, cmsgpack.pack(list))
end
