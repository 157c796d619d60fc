-- again.lua: ended jobs wait again, at their own priority and behind what waits; parents wait for their children first.
-- needs: record, clock, count, lists, tags, wake, states, family, KEYS meta waiting blocked record results expiry children.
-- Its result goes: it has not ended. Returns how many; nil when one has not ended (then nothing was changed).
local function wait_again(ids, records, reset, fair, events_max)
  local scores, packed, blocked = {}, {}, {}
  local has_families = redis.call('HLEN', K.children) > 0
  for i, id in ipairs(ids) do
    local r = decode(records[i])
    if r.state ~= COMPLETED and r.state ~= FAILED and r.state ~= CANCELLED then return nil end
    local from, family = ZSET_OF[r.state], has_families and family_of(id)
    r.state, r.reason, r.stalls, r.lost, r.ready, r.started, r.duration = WAITING, '', 0, 0, now, 0, 0
    if reset then r.attempts = 0 end
    if family and family[3] + family[4] > 0 then
      r.state = BLOCKED
      blocked[#blocked + 1] = now
      blocked[#blocked + 1] = id
    else
      scores[#scores + 1] = place(r.priority, r.workspace, fair)
      scores[#scores + 1] = id
    end
    packed[2 * i - 1] = id
    packed[2 * i] = encode(r)
    redis.call('ZREM', from, id)
  end
  if #ids == 0 then return 0 end
  redis.call('HSET', K.record, unpack(packed))
  if #blocked > 0 then redis.call('ZADD', K.blocked, unpack(blocked)) end
  if #scores > 0 then
    redis.call('ZADD', K.waiting, unpack(scores))
    save_tags()
  end
  if redis.call('HLEN', K.results) > 0 then
    redis.call('HDEL', K.results, unpack(ids))
    redis.call('ZREM', K.expiry, unpack(ids))
  end
  count('retried', #ids)
  count('revived', #ids)
  emit('retried', ids, events_max)
  if #scores > 0 and redis.call('HEXISTS', K.meta, 'paused') == 0 then mark() end
  return #ids
end
