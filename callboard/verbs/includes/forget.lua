-- forget.lua: jobs leave Redis for good. A result goes with its job, unless it has a time of its own (key `expiry`).
-- needs: lists kin, KEYS payload record attempts logs progress checkpoints results expiry completed failed cancelled
local function forget_results(ids)
  if redis.call('ZCARD', K.expiry) > 0 then
    local without = {}
    for i, expiry in ipairs(redis.call('ZMSCORE', K.expiry, unpack(ids))) do
      if not expiry then without[#without + 1] = ids[i] end
    end
    ids = without
  end
  call_in_pieces('HDEL', K.results, ids)
end

local function forget(ids)
  call_in_pieces('HDEL', K.payload, ids)
  call_in_pieces('HDEL', K.record, ids)
  for _, key in ipairs({K.attempts, K.logs, K.progress, K.checkpoints}) do
    if redis.call('HLEN', key) > 0 then call_in_pieces('HDEL', key, ids) end
  end
  drop_kin(ids)
  if redis.call('HLEN', K.results) > 0 then forget_results(ids) end
end

-- Keep the newest `keep` of a finished state; at most `limit` go in a call.
local function trim_count(key, keep, limit)
  local over = redis.call('ZCARD', key) - keep
  if over <= 0 then return end
  local popped = redis.call('ZPOPMIN', key, math.min(over, limit))
  local ids = {}
  for i = 1, #popped / 2 do ids[i] = popped[2 * i - 1] end
  forget(ids)
end

-- Drop what ended at or before `before` (ms); at most `limit` go in a call. Returns whether there may be more.
local function trim_age(key, before, limit)
  local ids = redis.call('ZRANGEBYSCORE', key, '-inf', before, 'LIMIT', 0, limit)
  if #ids == 0 then return false end
  redis.call('ZREM', key, unpack(ids))
  forget(ids)
  return #ids == limit
end
