-- adopt.lua: a new job takes its place in its flow.
-- needs: clock lists outbox family child, KEYS blocked parents children staged
--
-- kin is {parents, family ('' for a job without children), children, list of {queue, id, policy}}: a parent is {queue, id,
-- family, place, policy}. The list may be shorter than the number: the other children come with 'grow'.

-- Returns whether the job has to wait for children: then it is blocked.
local function adopt(id, kin)
  if #kin[1] > 0 then redis.call('HSET', K.parents, id, cmsgpack.pack(kin[1])) end
  local family, children = kin[2], kin[3]
  if family == '' then return false end
  redis.call('HSET', K.children, id, cmsgpack.pack({family, children, children, 0}))
  local early = {}
  for place, child in ipairs(kin[4]) do
    note_child(family, place, child)
    -- A child may have ended before its parent came: what it said is said again.
    local field = 'early/' .. family .. '/' .. place
    local said = redis.call('HGET', K.staged, field)
    if said then
      redis.call('HDEL', K.staged, field)
      early[#early + 1] = {this_queue(), id, '', 0, '', 0, cmsgpack.unpack(said)[2], 'ended'}
    end
  end
  fill_outbox(early)
  if children == 0 then return false end
  redis.call('ZADD', K.blocked, now, id)
  return true
end
