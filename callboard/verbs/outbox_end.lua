#!lua flags=allow-oom
-- outbox_end.lua: messages of a queue's outbox have ended: taken by their target, or refused for good.
--
-- KEYS[1]  outbox      KEYS[2]  totals      KEYS[3]  history    KEYS[4]  events
-- ARGV[1]  packed numbers that ended        ARGV[2]  packed {id, reason} pairs of those that were refused
-- ARGV[3]  events_max
-- Returns  how many left the outbox by this call
-- include: clock count
local removed = 0
for _, number in ipairs(cmsgpack.unpack(ARGV[1])) do
  removed = removed + redis.call('ZREMRANGEBYSCORE', K.outbox, number, number)
end
local refused = cmsgpack.unpack(ARGV[2])
if #refused > 0 and removed > 0 then
  count('outbox_refused', #refused)
  for _, pair in ipairs(refused) do
    redis.call('XADD', K.events, 'MAXLEN', '~', ARGV[3], '*', 'type', 'outbox-refused', 'n', 1, 'ids', pair[1],
      'reason', pair[2])
  end
end
return removed
