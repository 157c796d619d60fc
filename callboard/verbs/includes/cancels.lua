-- cancels.lua: jobs that run and were cancelled: {reason, 1 when they are to be removed after}, by id.
-- needs: record, KEYS cancels record
local CANCELS_A_CALL = 100

-- The mark of a job that ends now, taken away; nil when there is none.
local function take_cancel(id)
  local packed = redis.call('HGET', K.cancels, id)
  if not packed then return nil end
  redis.call('HDEL', K.cancels, id)
  return cmsgpack.unpack(packed)
end

-- Cancelled jobs that `worker` runs; marks of jobs that run nowhere go.
local function cancels_of(worker)
  if redis.call('HLEN', K.cancels) == 0 then return {} end
  local ids = {}
  for _, id in ipairs(redis.call('HRANDFIELD', K.cancels, CANCELS_A_CALL)) do
    local rec = redis.call('HGET', K.record, id)
    if not rec or byte(rec, 1) ~= IS_ACTIVE then
      redis.call('HDEL', K.cancels, id)
    else
      local at = rest_at(rec)
      if sub(rec, at + 42, at + 53) == worker then ids[#ids + 1] = id end
    end
  end
  return ids
end
