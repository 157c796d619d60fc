-- oldest.lua: since when the oldest waiting job waits: the oldest of the heads of at most 16 priorities.
-- needs: record, KEYS waiting record
local BAND = 8796093022208
local MAX_BANDS = 16

-- In ms since the epoch; 0 when none waits.
local function oldest_waiting()
  local since, from = 0, '-inf'
  for _ = 1, MAX_BANDS do
    local head = redis.call('ZRANGEBYSCORE', K.waiting, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    if #head == 0 then break end
    local rec = decode(redis.call('HGET', K.record, head[1]))
    local ready = math.max(rec.added, rec.ready)
    if since == 0 or ready < since then since = ready end
    from = string.format('%.0f', (math.floor(tonumber(head[2]) / BAND) + 1) * BAND)
  end
  return since
end
