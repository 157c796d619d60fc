-- select.lua: one bounded step through the jobs of a state, in the order of (score, id), and whether each is wanted.
-- needs: record, place, KEYS payload record attempts
--
-- A filter is {start of the payload of its actor, workspace, tag, tag (JSON), text, text (JSON), after (ms), before (ms)};
-- '' and 0 want everything. The text, ASCII letters in lower case, is looked for in the stored payload, the reason and
-- the errors of attempts; times are those at which a job was added.

-- A tag is looked for as text first: decoding a payload is for the few that may have it.
local function has_tag(payload, tag, tag_json)
  if not string.find(payload, tag_json, 1, true) then return false end
  local read, body = pcall(cjson.decode, payload)
  local tags = read and type(body) == 'table' and type(body.o) == 'table' and body.o.tags
  for _, each in ipairs(type(tags) == 'table' and tags or {}) do
    if each == tag then return true end
  end
  return false
end

local function reason_of(packed)
  local at = rest_at(packed)
  if #packed < at then return '' end
  return sub(packed, at + 58 + unpack_struct('>I4', packed, at + 54))
end

local function has_error(id, text)
  local attempts = redis.call('HGET', K.attempts, id)
  if not attempts or not string.find(string.lower(attempts), text, 1, true) then return false end
  for _, attempt in ipairs(cmsgpack.unpack(attempts)) do
    for field = 6, 8 do
      if string.find(string.lower(attempt[field]), text, 1, true) then return true end
    end
  end
  return false
end

local function matcher(filter)
  local actor, workspace, tag, tag_json, text, text_json, after, before = unpack(filter)
  return function(id, payload, packed)
    local _, _, added = unpack_struct('>c1HI8', packed)
    if after > 0 and added < after or before > 0 and added > before then return false end
    if actor ~= '' and sub(payload, 1, #actor) ~= actor then return false end
    if workspace ~= '' and sub(packed, HEAD + 1, rest_at(packed) - 1) ~= workspace then return false end
    if tag ~= '' and not has_tag(payload, tag, tag_json) then return false end
    return text == '' or string.find(string.lower(payload), text_json, 1, true) ~= nil
      or string.find(string.lower(reason_of(packed)), text, 1, true) ~= nil or has_error(id, text)
  end
end

-- Of `ids`, those that `filter` wants and that `is_due(packed record)` lets pass, with their records.
local function choose(ids, filter, is_due)
  local wanted, chosen, records = matcher(cmsgpack.unpack(filter)), {}, {}
  if #ids == 0 then return chosen, records end
  local packed = redis.call('HMGET', K.record, unpack(ids))
  local payloads = redis.call('HMGET', K.payload, unpack(ids))
  for i, id in ipairs(ids) do
    if is_due(packed[i]) and wanted(id, payloads[i] or '', packed[i]) then
      chosen[#chosen + 1] = id
      records[#records + 1] = packed[i]
    end
  end
  return chosen, records
end

-- The next `limit` members of `key` after the place (score, id); '' begins. Returns ids, their scores, the last place.
local function step_through(key, score, id, limit)
  local start = score == '' and 0 or rank_after(key, score, id)
  local page, ids, scores = redis.call('ZRANGE', key, start, start + limit - 1, 'WITHSCORES'), {}, {}
  for i = 1, #page / 2 do ids[i], scores[i] = page[2 * i - 1], page[2 * i] end
  if #ids == 0 then return ids, scores, '', '' end
  return ids, scores, scores[#ids], ids[#ids]
end
