-- memo.lua: a call that is sent again, since its reply was lost, gets the answer of the first time.
-- needs: clock, KEYS calls
--
-- calls      caller -> packed {number of its last call, when (ms), its answer}; numbers rise a caller

-- The answer that the call was given before; nil when it is new.
local function answer_before(caller, number)
  local packed = redis.call('HGET', K.calls, caller)
  local memo = packed and cmsgpack.unpack(packed)
  if memo and number <= memo[1] then return memo[3] end
end

local function remember(caller, number, answer)
  redis.call('HSET', K.calls, caller, cmsgpack.pack({number, now, answer}))
end
