#!lua flags=allow-oom
-- outbox_end.lua: messages of a queue's outbox have ended: taken by their target, or refused for good.
--
-- KEYS[1]  outbox      KEYS[2]  totals      KEYS[3]  history    KEYS[4]  events    KEYS[5]  meta
-- ARGV[1]  packed numbers that ended        ARGV[2]  packed {number, id, reason} of those that were refused
-- ARGV[3]  events_max
-- Returns  how many left the outbox by this call
--
-- The parents of a job that was refused hear that it failed.
-- include: record clock lists count outbox
local refused, messages = cmsgpack.unpack(ARGV[2]), {}
for _, each in ipairs(refused) do
  local row = redis.call('ZRANGEBYSCORE', K.outbox, each[1], each[1])[1]
  row = row and cmsgpack.unpack(row)
  if row and row[9] == '' and #row[8] > 0 then
    for _, p in ipairs(row[8][1]) do
      messages[#messages + 1] = ended_message(p, FAILED, 'it was refused: ' .. each[3], row[2], each[2])
    end
  end
end
local removed = 0
for _, number in ipairs(cmsgpack.unpack(ARGV[1])) do
  removed = removed + redis.call('ZREMRANGEBYSCORE', K.outbox, number, number)
end
if removed > 0 then
  fill_outbox(messages)
  if #refused > 0 then count('outbox_refused', #refused) end
  for _, each in ipairs(refused) do
    redis.call('XADD', K.events, 'MAXLEN', '~', ARGV[3], '*', 'type', 'outbox-refused', 'n', 1, 'ids', each[2],
      'reason', each[3])
  end
end
return removed
