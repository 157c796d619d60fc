#!lua flags=no-writes
-- outbox_read.lua: messages of a queue's outbox in order.
--
-- KEYS[1]  outbox
-- ARGV[1]  number after which to begin (0: from the head)       ARGV[2]  limit
-- Returns  {now (ms), packed {number, target queue, id, payload, priority, workspace, due (ms, 0: at once), kin, kind}, …}
--          (see includes/outbox.lua)
-- include: clock
return {now, unpack(redis.call('ZRANGEBYSCORE', K.outbox, '(' .. ARGV[1], '+inf', 'LIMIT', 0, ARGV[2]))}
