-- due.lua: due jobs go to waiting, in order of their due time, at their own priority. At most `limit` a call.
-- needs: record, clock, count, tags, KEYS delayed waiting record. Returns how many, and the next due time (0: none).
local function promote_due(limit, fair, events_max)
  local head = redis.call('ZRANGE', K.delayed, 0, 0, 'WITHSCORES')
  if not head[2] or tonumber(head[2]) > now then return 0, tonumber(head[2] or 0) end
  local due = redis.call('ZRANGEBYSCORE', K.delayed, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit)
  local n = #due / 2
  local ids = {}
  for i = 1, n do ids[i] = due[2 * i - 1] end
  local packed = redis.call('HMGET', K.record, unpack(ids))
  local records, scores = {}, {}
  for i, id in ipairs(ids) do
    local rec = decode(packed[i])
    rec.state = WAITING
    rec.ready = tonumber(due[2 * i])
    records[2 * i - 1] = id
    records[2 * i] = encode(rec)
    scores[2 * i - 1] = place(rec.priority, rec.workspace, fair)
    scores[2 * i] = id
  end
  redis.call('ZREM', K.delayed, unpack(ids))
  redis.call('HSET', K.record, unpack(records))
  redis.call('ZADD', K.waiting, unpack(scores))
  emit('waiting', ids, events_max)
  head = redis.call('ZRANGE', K.delayed, 0, 0, 'WITHSCORES')
  return n, tonumber(head[2] or 0)
end
