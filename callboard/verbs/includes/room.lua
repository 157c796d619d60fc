-- room.lua: whether a queue takes more jobs. needs: KEYS waiting held delayed
local function has_room(new, max_length)
  if max_length == 0 or new == 0 then return true end
  return redis.call('ZCARD', K.waiting) + redis.call('ZCARD', K.held) + redis.call('ZCARD', K.delayed) + new <= max_length
end
