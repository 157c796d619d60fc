#!lua flags=no-writes
-- stats.lua: a queue at a glance.
--
-- KEYS[1]  record      KEYS[2]  waiting     KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]  active      KEYS[7]  completed   KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] meta
-- KEYS[11] totals      KEYS[12] outbox
-- Returns  {now (ms), waiting, held, delayed, blocked, active, completed, failed, cancelled, outbox,
--           paused since (ms, 0: not), reason, who, oldest waiting since (ms, 0: none), next due (ms, 0: none),
--           totals (flat name, count, …)}
-- include: record clock oldest
local paused = redis.call('HMGET', K.meta, 'paused', 'paused_reason', 'paused_by')
local next_due = redis.call('ZRANGE', K.delayed, 0, 0, 'WITHSCORES')
return {
  now,
  redis.call('ZCARD', K.waiting), redis.call('ZCARD', K.held), redis.call('ZCARD', K.delayed),
  redis.call('ZCARD', K.blocked), redis.call('ZCARD', K.active), redis.call('ZCARD', K.completed),
  redis.call('ZCARD', K.failed), redis.call('ZCARD', K.cancelled), redis.call('ZCARD', K.outbox),
  tonumber(paused[1] or 0), paused[2] or '', paused[3] or '',
  oldest_waiting(), tonumber(next_due[2] or 0),
  redis.call('HGETALL', K.totals),
}
