-- promote.lua: due jobs go to waiting, in order of their due time, at their own priority. At most `limit` a call.
-- needs: record, clock, tags, KEYS delayed waiting record. Returns how many, and the next due time (0: none).
local function promote_due(limit, fair)
  local ids = redis.call('ZRANGEBYSCORE', K.delayed, '-inf', now, 'LIMIT', 0, limit)
  if #ids > 0 then
    local packed = redis.call('HMGET', K.record, unpack(ids))
    local records, scores = {}, {}
    for i, id in ipairs(ids) do
      local rec = cmsgpack.unpack(packed[i])
      rec[STATE] = WAITING
      records[#records + 1] = id
      records[#records + 1] = cmsgpack.pack(rec)
      scores[#scores + 1] = place(rec[PRIORITY], get(rec, WORKSPACE), fair)
      scores[#scores + 1] = id
    end
    redis.call('ZREM', K.delayed, unpack(ids))
    redis.call('HSET', K.record, unpack(records))
    redis.call('ZADD', K.waiting, unpack(scores))
  end
  local head = redis.call('ZRANGE', K.delayed, 0, 0, 'WITHSCORES')
  return #ids, tonumber(head[2] or 0)
end
