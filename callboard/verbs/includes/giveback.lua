-- giveback.lua: active jobs return to waiting at their original score; no attempt, no stall.
-- needs: record, wake, KEYS active waiting record
local function give_back(ids, records)
  if #ids == 0 then return end
  local scores, packed = {}, {}
  for i, id in ipairs(ids) do
    local rec = decode(records[i])
    scores[#scores + 1] = rec.score
    scores[#scores + 1] = id
    rec.state, rec.started = WAITING, 0
    packed[#packed + 1] = id
    packed[#packed + 1] = encode(rec)
  end
  redis.call('ZREM', K.active, unpack(ids))
  redis.call('ZADD', K.waiting, unpack(scores))
  redis.call('HSET', K.record, unpack(packed))
  mark()
end
