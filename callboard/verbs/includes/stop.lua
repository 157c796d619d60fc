-- stop.lua: jobs that have not started are cancelled at once.
-- needs: record, clock, count, lists, wake, told, forget, states, KEYS cancelled record
local function cancel_unstarted(ids, records, reason, keep, events_max)
  if #ids == 0 then return end
  local packed, ended, parents = {}, {}, {}
  for i, id in ipairs(ids) do
    local r = decode(records[i])
    redis.call('ZREM', ZSET_OF[r.state], id)
    if r.state == BLOCKED then parents[#parents + 1] = id end
    r.state, r.reason = CANCELLED, reason
    packed[2 * i - 1] = id
    packed[2 * i] = encode(r)
    ended[2 * i - 1] = now
    ended[2 * i] = id
  end
  redis.call('HSET', K.record, unpack(packed))
  redis.call('ZADD', K.cancelled, unpack(ended))
  count('cancelled', #ids)
  emit('cancelled', ids, events_max)
  local told = tell_parents(ids, CANCELLED, reason)
  if stop_children(parents) or told then mark() end
  trim_count(K.cancelled, keep, 300)
end
