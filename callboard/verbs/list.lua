#!lua flags=no-writes
-- list.lua: one page of the jobs in a state, by cursor.
--
-- KEYS[1]  payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  held       KEYS[5]  delayed    KEYS[6]  blocked
-- KEYS[7]  active      KEYS[8]  completed   KEYS[9]  failed     KEYS[10] cancelled
-- ARGV[1]  name of the state's key          ARGV[2]  limit      ARGV[3]  1: highest score first, 0: lowest first
-- ARGV[4]  score of the last job seen ('' for the first page)   ARGV[5]  its id
-- Returns  {total, {id, score, payload, packed record, id, …}}
--
-- The cursor is a place in the order (score, id), not a rank: jobs that come or go elsewhere shift nothing. Its rank is
-- found by halving, since thousands of jobs may have one score (a campaign due at noon).
local key, limit, reverse = K[ARGV[1]], tonumber(ARGV[2]), ARGV[3] == '1'
local from, after = ARGV[4], ARGV[5]

-- Bytes, as Redis orders members; Lua's own `<` goes by the server's locale.
local function is_before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- How many jobs come before the cursor's place.
local function rank()
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. from)
  local high = low + redis.call('ZCOUNT', key, from, from)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_before(redis.call('ZRANGE', key, middle, middle)[1], after) then low = middle + 1 else high = middle end
  end
  return low
end

local total, start = redis.call('ZCARD', key), 0
if from ~= '' then
  start = rank()
  if reverse then
    start = total - start
  elseif redis.call('ZRANGE', key, start, start)[1] == after then
    start = start + 1
  end
end
local found = redis.call(reverse and 'ZREVRANGE' or 'ZRANGE', key, start, start + limit - 1, 'WITHSCORES')

local rows = {}
for i = 1, #found, 2 do
  rows[#rows + 1] = found[i]
  rows[#rows + 1] = found[i + 1]
  rows[#rows + 1] = redis.call('HGET', K.payload, found[i])
  rows[#rows + 1] = redis.call('HGET', K.record, found[i])
end
return {total, rows}
