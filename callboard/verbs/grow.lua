#!lua flags=allow-oom
-- grow.lua: a part of a large flow that was put aside goes into the outbox.
--
-- KEYS[1]  staged      KEYS[2]  outbox      KEYS[3]  meta       KEYS[4]  children
-- ARGV[1]  number of the message that asks for it               ARGV[2]  id of the root    ARGV[3]  field of the part
-- Returns  1 done, 0 it was done before
-- include: clock lists outbox family child
if redis.call('ZREMRANGEBYSCORE', K.outbox, ARGV[1], ARGV[1]) == 0 then return 0 end
local packed = redis.call('HGET', K.staged, ARGV[3])
if not packed then return 0 end
redis.call('HDEL', K.staged, ARGV[3])
local messages = cmsgpack.unpack(packed)
local family = family_of(ARGV[2])
if not family then return 1 end -- its root is gone: what it was for is
for _, m in ipairs(messages) do
  for _, p in ipairs(m[7][1]) do
    if p[1] == this_queue() and p[2] == ARGV[2] and p[3] == family[1] then note_child(p[3], p[4], {m[1], m[2], p[5]}) end
  end
end
fill_outbox(messages)
return 1
