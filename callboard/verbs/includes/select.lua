-- select.lua: one bounded step through the jobs of a state, in the order of (score, id), and whether each is wanted.
-- needs: record, place, KEYS payload record
--
-- A filter is {actor (JSON), workspace, tag (JSON), text, text as it is within JSON, after (ms), before (ms)}; '' and 0
-- want everything. The text, in lower case, is looked for in the stored payload, the reason and the errors of attempts;
-- times are those at which a job was added.
local function matcher(filter, attempts_key)
  local actor, workspace, tag, text, text_json, after, before = unpack(filter)
  local actor_field = actor ~= '' and '"a":' .. actor
  return function(id, payload, packed)
    local _, _, added = unpack_struct('>c1HI8', packed)
    if after > 0 and added < after or before > 0 and added > before then return false end
    if actor_field and not string.find(payload, actor_field, 1, true) then return false end
    if workspace ~= '' and sub(packed, HEAD + 1, rest_at(packed) - 1) ~= workspace then return false end
    if tag ~= '' then
      local tags = string.match(payload, '"tags":(%b[])')
      if not tags or not string.find(tags, tag, 1, true) then return false end
    end
    if text == '' then return true end
    if string.find(string.lower(payload), text_json, 1, true) or string.find(string.lower(packed), text, 1, true) then
      return true
    end
    local attempts = attempts_key and redis.call('HGET', attempts_key, id)
    return attempts and string.find(string.lower(attempts), text, 1, true) ~= nil or false
  end
end

-- The next `limit` members of `key` after the place (score, id); '' begins. Returns ids, their scores, the last place.
local function step_through(key, score, id, limit)
  local start = score == '' and 0 or rank_after(key, score, id)
  local page, ids, scores = redis.call('ZRANGE', key, start, start + limit - 1, 'WITHSCORES'), {}, {}
  for i = 1, #page / 2 do ids[i], scores[i] = page[2 * i - 1], page[2 * i] end
  if #ids == 0 then return ids, scores, '', '' end
  return ids, scores, scores[#ids], ids[#ids]
end
