-- count.lua: totals that survive crashes, minute buckets for charts, and the event stream.
-- needs: clock, KEYS totals history events
local minute = math.floor(now / 60000)

local function count(what, n)
  redis.call('HINCRBY', K.totals, what, n)
  redis.call('HINCRBY', K.history, minute .. ':' .. what, n)
end

-- One entry a batch: type, how many, and the job ids (packed ids never hold a comma). Without `events_max` the stream is
-- left for a later entry to trim. `detail` (JSON object): what else is to be told, of events that are about the queue.
local function emit(type, ids, events_max, detail)
  if detail then
    redis.call('XADD', K.events, 'MAXLEN', '~', events_max, '*', 'type', type, 'n', #ids, 'ids', table.concat(ids, ','),
      'detail', detail)
    return
  end
  if not events_max then
    redis.call('XADD', K.events, '*', 'type', type, 'n', #ids, 'ids', table.concat(ids, ','))
    return
  end
  redis.call('XADD', K.events, 'MAXLEN', '~', events_max, '*', 'type', type, 'n', #ids, 'ids', table.concat(ids, ','))
end
