-- speaker.lua: whether the attempt that speaks holds the job. needs: record, KEYS record
-- Returns 1, -1 no such job, or -2: another attempt holds it, or none.
local function may_speak(id, worker, number)
  local packed = redis.call('HGET', K.record, id)
  if not packed then return -1 end
  return is_owned(packed, token_of(worker, number)) and 1 or -2
end
