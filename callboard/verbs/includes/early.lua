-- early.lua: delayed jobs wait before they are due, at their own priority.
-- needs: record, clock, count, tags, wake, KEYS meta delayed waiting record
local function wait_early(ids, records, fair, events_max)
  if #ids == 0 then return end
  local scores, packed = {}, {}
  for i, id in ipairs(ids) do
    local r = decode(records[i])
    r.state, r.ready = WAITING, now
    packed[2 * i - 1] = id
    packed[2 * i] = encode(r)
    scores[2 * i - 1] = place(r.priority, r.workspace, fair)
    scores[2 * i] = id
  end
  redis.call('ZREM', K.delayed, unpack(ids))
  redis.call('HSET', K.record, unpack(packed))
  redis.call('ZADD', K.waiting, unpack(scores))
  save_tags()
  emit('waiting', ids, events_max)
  if redis.call('HEXISTS', K.meta, 'paused') == 0 then mark() end
end
