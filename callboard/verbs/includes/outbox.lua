-- outbox.lua: messages for other queues: numbered, written here, delivered by any worker process.
-- needs: clock lists, KEYS meta outbox
--
-- A message is {queue, id, payload, priority, workspace, delay (ms), kin, kind, due (ms; 0 or none: use delay)}. Without a
-- kind it is a job, whose kin (see adopt.lua) a flow gives. Other kinds say what it is about in kin:
--   'ended'    to the queue of a parent, id: its parent's: {family, place, outcome, value, policy, queue, id} of the child
--   'stop'     to this queue itself, id: a parent that was cancelled: {family}; its children are cancelled
--   'grow'     to this queue itself, id: the root of a large flow: {field of `staged`}; its jobs are sent from there
--   'arrived'  to a barrier's queue, id: the barrier: {how many are expected, messages to send when all have arrived}
local function this_queue() return string.match(K.outbox, '{(.-)}') end

-- The message to `parent` ({queue, id, family, place, policy}) that its child `id` of `queue` has ended.
local function ended_message(parent, outcome, value, queue, id)
  local about = {parent[3], parent[4], outcome, value, parent[5], queue, id}
  return {parent[1], parent[2], '', 0, '', 0, about, 'ended'}
end

-- Targets pass over numbers that they have seen, so a number must never come twice, not even when this queue lost its last
-- one (a failover that lost writes, a restore): they rise from the time in microseconds.
local function fill_outbox(messages)
  if #messages == 0 then return end
  local number = math.max(tonumber(redis.call('HGET', K.meta, 'outbox_number') or 0), now * 1000)
  local rows = {}
  for _, m in ipairs(messages) do
    number = number + 1
    local due = m[9] or 0
    if due == 0 and m[6] > 0 then due = now + m[6] end
    rows[#rows + 1] = number
    rows[#rows + 1] = cmsgpack.pack({number, m[1], m[2], m[3], m[4], m[5], due, m[7] or {}, m[8] or ''})
  end
  redis.call('HSET', K.meta, 'outbox_number', number)
  call_in_pieces('ZADD', K.outbox, rows)
end
