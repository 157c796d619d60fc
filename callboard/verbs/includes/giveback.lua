-- giveback.lua: active jobs return to waiting at their original score; no attempt, no stall. Those that were cancelled
-- meanwhile end as cancelled.
-- needs: record clock count wake lists told forget erase cancels cancelled, KEYS active waiting record
local function give_back(ids, records)
  if #ids == 0 then return end
  local scores, packed = {}, {}
  local has_cancels = redis.call('HLEN', K.cancels) > 0
  redis.call('ZREM', K.active, unpack(ids))
  for i, id in ipairs(ids) do
    local rec = decode(records[i])
    local cancelled = has_cancels and take_cancel(id)
    rec.started = 0
    if cancelled then
      end_cancelled(id, rec, cancelled)
    else
      scores[#scores + 1] = rec.score
      scores[#scores + 1] = id
      rec.state = WAITING
      packed[#packed + 1] = id
      packed[#packed + 1] = encode(rec)
    end
  end
  if #packed == 0 then
    if redis.call('ZCARD', K.outbox) > 0 then mark() end
    return
  end
  redis.call('ZADD', K.waiting, unpack(scores))
  redis.call('HSET', K.record, unpack(packed))
  mark()
end
