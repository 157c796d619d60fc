-- place.lua: places in the order of a zset. A place is (score, id), not a rank: jobs that come or go elsewhere shift it
-- nowhere. Its rank is found by halving, since thousands of jobs may have one score (a campaign due at noon).

-- Bytes, as Redis orders members; Lua's own `<` goes by the server's locale.
local function is_before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- How many members of `key` come before the place.
local function rank_of(key, score, id)
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local high = low + redis.call('ZCOUNT', key, score, score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_before(redis.call('ZRANGE', key, middle, middle)[1], id) then low = middle + 1 else high = middle end
  end
  return low
end

-- How many members of `key` come before the place or are at it.
local function rank_after(key, score, id)
  local rank = rank_of(key, score, id)
  -- The job itself may have come to another place just behind.
  local found = redis.call('ZRANGE', key, rank, rank, 'WITHSCORES')
  if found[1] == id and tonumber(found[2]) == tonumber(score) then return rank + 1 end
  return rank
end
