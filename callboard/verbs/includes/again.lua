-- again.lua: ended jobs wait again, at their own priority and behind what waits.
-- needs: record, clock, count, tags, wake, states, KEYS meta waiting record results expiry. Its result goes: it has not ended.
-- Returns how many; nil when one has not ended (then nothing was changed).
local function wait_again(ids, records, reset, fair, events_max)
  local scores, packed = {}, {}
  for i, id in ipairs(ids) do
    local r = decode(records[i])
    if r.state ~= COMPLETED and r.state ~= FAILED and r.state ~= CANCELLED then return nil end
    packed[2 * i - 1] = id
    scores[2 * i] = id
    local from = ZSET_OF[r.state]
    r.state, r.reason, r.stalls, r.lost, r.ready, r.started, r.duration = WAITING, '', 0, 0, now, 0, 0
    if reset then r.attempts = 0 end
    packed[2 * i] = encode(r)
    scores[2 * i - 1] = place(r.priority, r.workspace, fair)
    redis.call('ZREM', from, id)
  end
  if #ids == 0 then return 0 end
  redis.call('HSET', K.record, unpack(packed))
  redis.call('ZADD', K.waiting, unpack(scores))
  save_tags()
  if redis.call('HLEN', K.results) > 0 then
    redis.call('HDEL', K.results, unpack(ids))
    redis.call('ZREM', K.expiry, unpack(ids))
  end
  count('retried', #ids)
  count('revived', #ids)
  emit('retried', ids, events_max)
  if redis.call('HEXISTS', K.meta, 'paused') == 0 then mark() end
  return #ids
end
