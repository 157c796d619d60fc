#!lua flags=no-writes
-- list.lua: one page of the jobs in a state, by cursor.
--
-- KEYS[1]  payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  held       KEYS[5]  delayed    KEYS[6]  blocked
-- KEYS[7]  active      KEYS[8]  completed   KEYS[9]  failed     KEYS[10] cancelled
-- ARGV[1]  name of the state's key          ARGV[2]  limit      ARGV[3]  1: highest score first, 0: lowest first
-- ARGV[4]  score of the last job seen ('' for the first page)   ARGV[5]  its id
-- Returns  {total, {id, score, payload, packed record, id, …}}
--
-- The cursor is a place in the order, see place.lua.
-- include: place
local key, limit, reverse = K[ARGV[1]], tonumber(ARGV[2]), ARGV[3] == '1'
local total, start = redis.call('ZCARD', key), 0
if ARGV[4] ~= '' then
  start = reverse and total - rank_of(key, ARGV[4], ARGV[5]) or rank_after(key, ARGV[4], ARGV[5])
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
