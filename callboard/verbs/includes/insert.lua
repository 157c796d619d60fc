-- insert.lua: new jobs reach their first state. None of their ids is there.
-- needs: record clock count tags wake, KEYS payload record waiting delayed results expiry
--
-- A job is {id, payload, priority, workspace, delay (ms), due (ms, 0: use delay), number in an outbox, kin (of a flow)}.
-- `adopt` (see adopt.lua): where there may be jobs of flows.
local function insert(jobs, paused, fair, events_max, adopt)
  if #jobs == 0 then return end
  local payloads, records, waiting, delayed = {}, {}, {}, {}
  local now_ids, later_ids, held_ids, earliest = {}, {}, {}, nil
  for i, job in ipairs(jobs) do
    local id = job[1]
    payloads[2 * i - 1] = id
    payloads[2 * i] = job[2]
    local state = WAITING
    local due = job[6] > 0 and job[6] or now + job[5]
    if adopt and job[8] and #job[8] > 0 and adopt(id, job[8]) then
      state = BLOCKED
      held_ids[#held_ids + 1] = id
    elseif due > now then
      state = DELAYED
      delayed[#delayed + 1] = due
      delayed[#delayed + 1] = id
      later_ids[#later_ids + 1] = id
      if not earliest or due < earliest then earliest = due end
    else
      waiting[#waiting + 1] = place(job[3], job[4], fair)
      waiting[#waiting + 1] = id
      now_ids[#now_ids + 1] = id
    end
    records[2 * i - 1] = id
    local record = new_record(state, job[3], now, job[4])
    if state == BLOCKED and due > now then
      -- Not before this time, whenever its children end.
      local r = decode(record)
      r.ready = due
      record = encode(r)
    end
    records[2 * i] = record
  end
  redis.call('HSET', K.payload, unpack(payloads))
  redis.call('HSET', K.record, unpack(records))
  count('added', #jobs)
  -- A result with a time of its own may still be there from an earlier job of the same id.
  if redis.call('ZCARD', K.expiry) > 0 then
    local new = {}
    for i, job in ipairs(jobs) do new[i] = job[1] end
    redis.call('ZREM', K.expiry, unpack(new))
    redis.call('HDEL', K.results, unpack(new))
  end
  if #now_ids > 0 then
    redis.call('ZADD', K.waiting, unpack(waiting))
    emit('added', now_ids, events_max)
    save_tags()
    if not paused then mark() end
  end
  if #later_ids > 0 then
    local head = redis.call('ZRANGE', K.delayed, 0, 0, 'WITHSCORES')
    redis.call('ZADD', K.delayed, unpack(delayed))
    emit('delayed', later_ids, events_max)
    if not head[2] or earliest < tonumber(head[2]) then mark() end
  end
  if #held_ids > 0 then emit('blocked', held_ids, events_max) end
end
