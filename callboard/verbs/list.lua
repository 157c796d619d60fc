#!lua flags=no-writes
-- list.lua: one page of the jobs in a state, by cursor.
--
-- KEYS[1]  payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  held       KEYS[5]  delayed    KEYS[6]  blocked
-- KEYS[7]  active      KEYS[8]  completed   KEYS[9]  failed     KEYS[10] cancelled
-- ARGV[1]  name of the state's key          ARGV[2]  limit      ARGV[3]  1: highest score first, 0: lowest first
-- ARGV[4]  score of the last job seen ('' for the first page)   ARGV[5]  its id
-- Returns  {total, {id, score, payload, packed record, id, …}}
--
-- The cursor is a place in the order (score, id), not a rank: jobs that come or go elsewhere shift nothing.
local key, limit, reverse = K[ARGV[1]], tonumber(ARGV[2]), ARGV[3] == '1'
local from, after = ARGV[4], ARGV[5]
local found, offset = {}, 0
local STEP, MAX_STEPS = limit + 50, 20

local function range(start)
  if reverse then
    return redis.call('ZREVRANGEBYSCORE', key, from == '' and '+inf' or from, '-inf', 'WITHSCORES', 'LIMIT', start, STEP)
  end
  return redis.call('ZRANGEBYSCORE', key, from == '' and '-inf' or from, '+inf', 'WITHSCORES', 'LIMIT', start, STEP)
end

local function is_after(score, id)
  if from == '' or tonumber(score) ~= tonumber(from) then return true end
  if reverse then return id < after end
  return id > after
end

for _ = 1, MAX_STEPS do
  local page = range(offset)
  for i = 1, #page, 2 do
    if #found < 2 * limit and is_after(page[i + 1], page[i]) then
      found[#found + 1] = page[i]
      found[#found + 1] = page[i + 1]
    end
  end
  if #found >= 2 * limit or #page < 2 * STEP then break end
  offset = offset + STEP
end

local rows = {}
for i = 1, #found, 2 do
  rows[#rows + 1] = found[i]
  rows[#rows + 1] = found[i + 1]
  rows[#rows + 1] = redis.call('HGET', K.payload, found[i])
  rows[#rows + 1] = redis.call('HGET', K.record, found[i])
end
return {redis.call('ZCARD', key), rows}
