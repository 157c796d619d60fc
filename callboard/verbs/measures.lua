#!lua flags=no-writes
-- measures.lua: what a scrape by Prometheus asks of a queue. Bounded, however many jobs are stored.
--
-- KEYS[1]  record      KEYS[2]  waiting     KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]  active      KEYS[7]  completed   KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] meta
-- KEYS[11] totals      KEYS[12] outbox
-- Returns  {now (ms), waiting (held ones among them), delayed, active, blocked, completed, failed, cancelled, outbox,
--           1 when it is paused, oldest waiting since (ms, 0: none), oldest running attempt since (ms, 0: none),
--           packed {time (ms), actor} of the canary that got through last ('' none), totals (flat name, count, …)}
--
-- The oldest running attempt is that of the first 1,000 active jobs, by the end of their leases; what is only reserved
-- does not run.
-- include: record clock oldest
local MAX_ACTIVE = 1000

local function oldest_running()
  local since, ids = 0, redis.call('ZRANGE', K.active, 0, MAX_ACTIVE - 1)
  if #ids == 0 then return 0 end
  for _, rec in ipairs(redis.call('HMGET', K.record, unpack(ids))) do
    local at = rec and rest_at(rec)
    local started = at and #rec >= at and unpack_struct('>I8', rec, at + 22) or 0
    if started > 0 and (since == 0 or started < since) then since = started end
  end
  return since
end

local function size(key) return redis.call('ZCARD', key) end

local meta = redis.call('HMGET', K.meta, 'paused', 'canary')
return {
  now, size(K.waiting) + size(K.held), size(K.delayed), size(K.active), size(K.blocked), size(K.completed),
  size(K.failed), size(K.cancelled), size(K.outbox), meta[1] and 1 or 0, oldest_waiting(), oldest_running(),
  meta[2] or '', redis.call('HGETALL', K.totals),
}
