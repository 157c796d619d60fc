-- told.lua: parents hear of children that have ended, and children of a parent that was cancelled, through the outbox.
-- needs: clock lists outbox, KEYS parents children meta outbox

-- The messages to the parents of jobs that ended. `ends`: {id, outcome (c, f, x), value: its result or why} of each.
local function messages_to_parents(ends)
  local messages, ids = {}, {}
  if #ends == 0 or redis.call('HLEN', K.parents) == 0 then return messages end
  for i, each in ipairs(ends) do ids[i] = each[1] end
  for i, packed in ipairs(redis.call('HMGET', K.parents, unpack(ids))) do
    for _, p in ipairs(packed and cmsgpack.unpack(packed) or {}) do
      messages[#messages + 1] = ended_message(p, ends[i][2], ends[i][3], this_queue(), ends[i][1])
    end
  end
  return messages
end

-- Tell the parents of jobs that ended for the same reason. Returns whether there was anybody to tell.
local function tell_parents(ids, outcome, value)
  local ends = {}
  for i, id in ipairs(ids) do ends[i] = {id, outcome, value} end
  local messages = messages_to_parents(ends)
  fill_outbox(messages)
  return #messages > 0
end

-- Tell the children of `ids` that have not ended to stop. Returns whether there are any.
local function stop_children(ids)
  if #ids == 0 or redis.call('HLEN', K.children) == 0 then return false end
  local messages = {}
  for i, packed in ipairs(redis.call('HMGET', K.children, unpack(ids))) do
    local family = packed and cmsgpack.unpack(packed)
    if family and family[3] > 0 then messages[#messages + 1] = {this_queue(), ids[i], '', 0, '', 0, {family[1]}, 'stop'} end
  end
  fill_outbox(messages)
  return #messages > 0
end
