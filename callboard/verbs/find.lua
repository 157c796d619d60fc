#!lua flags=no-writes
-- find.lua: one bounded step of looking for jobs in a state.
--
-- KEYS[1]   payload     KEYS[2]  record     KEYS[3]  waiting    KEYS[4]  held       KEYS[5]  delayed
-- KEYS[6]   blocked     KEYS[7]  active     KEYS[8]  completed  KEYS[9]  failed     KEYS[10] cancelled
-- KEYS[11]  attempts
-- ARGV[1]   state's key                     ARGV[2]  packed filter (see select.lua)
-- ARGV[3]   score and ARGV[4] id of the last job looked at ('' to begin)            ARGV[5]  jobs to look at
-- ARGV[6]   jobs to return at most
-- Returns   {{id, score, payload, packed record, id, …}, looked at, score, id to go on from ('' when through)}
-- include: record place select
local limit, most = tonumber(ARGV[5]), tonumber(ARGV[6])
local ids, scores, last_score, last_id = step_through(K[ARGV[1]], ARGV[3], ARGV[4], limit)
if #ids < limit then last_score, last_id = '', '' end
local wanted = matcher(cmsgpack.unpack(ARGV[2]))
local rows, looked = {}, 0
if #ids > 0 then
  local packed = redis.call('HMGET', K.record, unpack(ids))
  local payloads = redis.call('HMGET', K.payload, unpack(ids))
  for i, id in ipairs(ids) do
    looked = looked + 1
    if wanted(id, payloads[i] or '', packed[i]) then
      rows[#rows + 1] = id
      rows[#rows + 1] = scores[i]
      rows[#rows + 1] = payloads[i]
      rows[#rows + 1] = packed[i]
      if #rows == 4 * most and i < #ids then
        last_score, last_id = scores[i], id
        break
      end
    end
  end
end
return {rows, looked, last_score, last_id}
