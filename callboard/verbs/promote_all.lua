-- promote_all.lua: one step of promoting the delayed jobs that a filter wants.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  delayed    KEYS[4]  meta       KEYS[5]  totals
-- KEYS[6]   history     KEYS[7]  events     KEYS[8]  wake       KEYS[9]  tags       KEYS[10] payload
-- KEYS[11]  attempts
-- ARGV[1]   packed filter (see select.lua)
-- ARGV[2]   score and ARGV[3] id of the last job looked at ('' to begin)            ARGV[4]  jobs to look at
-- ARGV[5]   fair (1 or 0)                   ARGV[6]  events_max
-- Returns   {promoted, looked at, score, id to go on from ('' when through)}
-- include: record clock count tags wake early place select
local ids, _, last_score, last_id = step_through(K.delayed, ARGV[2], ARGV[3], tonumber(ARGV[4]))
local wanted = matcher(cmsgpack.unpack(ARGV[1]), K.attempts)
local chosen, records = {}, {}
if #ids > 0 then
  local packed = redis.call('HMGET', K.record, unpack(ids))
  local payloads = redis.call('HMGET', K.payload, unpack(ids))
  for i, id in ipairs(ids) do
    if wanted(id, payloads[i] or '', packed[i]) then
      chosen[#chosen + 1] = id
      records[#records + 1] = packed[i]
    end
  end
end
wait_early(chosen, records, ARGV[5] == '1', ARGV[6])
if #ids < tonumber(ARGV[4]) then last_score, last_id = '', '' end
return {#chosen, #ids, last_score, last_id}
