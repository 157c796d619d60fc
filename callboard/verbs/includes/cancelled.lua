-- cancelled.lua: an active job that was to be cancelled leaves `active` without a finish of its own; no attempt.
-- needs: record clock count lists told forget erase cancels, KEYS cancelled record
local function end_cancelled(id, r, mark, events_max)
  r.state, r.reason = CANCELLED, mark[1]
  count('cancelled', 1)
  emit('cancelled', {id}, events_max)
  tell_parents({id}, CANCELLED, r.reason)
  if mark[2] == 1 then
    erase({id})
    count('removed', 1)
    emit('removed', {id}, events_max)
  else
    redis.call('HSET', K.record, id, encode(r))
    redis.call('ZADD', K.cancelled, now, id)
  end
end
