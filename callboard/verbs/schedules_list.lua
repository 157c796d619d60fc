#!lua flags=no-writes
-- schedules_list.lua: schedules in the order of their ids, a page at a time.
--
-- KEYS[1]  schedules   KEYS[2]  schedule_ids
-- ARGV[1]  after this id ('' begins)       ARGV[2]  only those of this queue ('' all)
-- ARGV[3]  schedules at most               ARGV[4]  schedules looked at, at most
-- Returns  {how many there are, last id looked at ('' when it was the last one), {id, packed schedule, …}}
local wanted, looks = tonumber(ARGV[3]), tonumber(ARGV[4])
local after = ARGV[1] == '' and '-' or '(' .. ARGV[1]
local ids = redis.call('ZRANGEBYLEX', K.schedule_ids, after, '+', 'LIMIT', 0, looks)
local found, last = {}, ''
if #ids > 0 then
  for i, packed in ipairs(redis.call('HMGET', K.schedules, unpack(ids))) do
    if packed and (ARGV[2] == '' or cmsgpack.unpack(packed)[3] == ARGV[2]) then
      found[#found + 1] = ids[i]
      found[#found + 1] = packed
    end
    if #found == 2 * wanted or i == looks then
      last = ids[i]
      break
    end
  end
end
return {redis.call('ZCARD', K.schedule_ids), last, found}
