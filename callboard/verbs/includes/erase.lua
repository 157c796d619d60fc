-- erase.lua: one job and all that is kept about it, its result included, goes.
-- needs: forget, KEYS results expiry
local function erase(ids)
  if #ids == 0 then return end
  forget(ids)
  if redis.call('HLEN', K.results) > 0 then
    call_in_pieces('HDEL', K.results, ids)
    call_in_pieces('ZREM', K.expiry, ids)
  end
end
