-- wake.lua: at most one mark a queue; an idle worker blocks on it. Taking the mark is taking the duty to look.
-- needs: KEYS wake
local function mark()
  if redis.call('LLEN', K.wake) == 0 then redis.call('RPUSH', K.wake, '1') end
end
