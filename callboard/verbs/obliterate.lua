#!lua flags=allow-oom
-- obliterate.lua: close a queue, then remove it. Two calls: the second only when the first said 1.
--
-- KEYS[1]   payload     KEYS[2]  record     KEYS[3]  waiting    KEYS[4]  held       KEYS[5]  delayed
-- KEYS[6]   blocked     KEYS[7]  active     KEYS[8]  completed  KEYS[9]  failed     KEYS[10] cancelled
-- KEYS[11]  attempts    KEYS[12] logs       KEYS[13] results    KEYS[14] expiry     KEYS[15] dedup
-- KEYS[16]  children    KEYS[17] meta       KEYS[18] totals     KEYS[19] tags       KEYS[20] limits
-- KEYS[21]  usage       KEYS[22] events     KEYS[23] history    KEYS[24] outbox     KEYS[25] ticks
-- KEYS[26]  calls       KEYS[27] wake       KEYS[28] progress   KEYS[29] checkpoints KEYS[30] cancels
-- KEYS[31]  parents     KEYS[32] staged
-- ARGV[1]   'close' or 'remove'             ARGV[2]  force (1 or 0)
-- Returns   {code, active, outbox length}: 1 closed (or removed), -2 jobs are active or the outbox is not empty
--
-- Keys go by UNLINK: memory is freed in the background, however large they are. `sources` stays: it says what has been
-- taken from other queues' outboxes.
-- include: clock wake
local active, outbox = redis.call('ZCARD', K.active), redis.call('ZCARD', K.outbox)
if ARGV[2] ~= '1' and (active > 0 or outbox > 0) then
  -- Workers that looked while it was closed have taken the mark and found nothing.
  local was_closed = redis.call('HDEL', K.meta, 'closed') == 1
  if was_closed and redis.call('HEXISTS', K.meta, 'paused') == 0 and redis.call('ZCARD', K.waiting) > 0 then mark() end
  return {-2, active, outbox}
end
if ARGV[1] == 'close' then
  redis.call('HSET', K.meta, 'closed', now)
  return {1, active, outbox}
end
-- The numbers of the outbox go on: their targets refuse what they have seen.
local number = redis.call('HGET', K.meta, 'outbox_number')
for _, key in ipairs({
  K.payload, K.record, K.waiting, K.held, K.delayed, K.blocked, K.active, K.completed, K.failed, K.cancelled,
  K.attempts, K.logs, K.results, K.expiry, K.dedup, K.children, K.meta, K.totals, K.tags, K.limits, K.usage, K.events,
  K.history, K.outbox, K.ticks, K.calls, K.wake, K.progress, K.checkpoints, K.cancels, K.parents, K.staged,
}) do
  redis.call('UNLINK', key)
end
if number then redis.call('HSET', K.meta, 'outbox_number', number) end
return {1, active, outbox}
