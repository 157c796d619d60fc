-- tags.lua: fair-share tags. A job enters `waiting` at priority * 2^43 + tag, where
-- tag = max(V of the priority, last tag of its workspace) + 1 and V is the tag last fetched (start-time fair queueing,
-- Goyal, Vin, Cheng 1996, with unit cost). With `fair` off every job is of one workspace: a plain sequence.
-- needs: KEYS tags
local BAND = 8796093022208
local tags, dirty = {}, {}

local function read_tag(field)
  local tag = tags[field]
  if tag == nil then
    tag = tonumber(redis.call('HGET', K.tags, field) or 0)
    tags[field] = tag
  end
  return tag
end

local function place(priority, workspace, fair)
  local field, fetched = 'w' .. priority .. ':' .. (fair and workspace or ''), 'v' .. priority
  if not (tags[field] and tags[fetched]) then
    local found = redis.call('HMGET', K.tags, field, fetched)
    tags[field] = tags[field] or tonumber(found[1] or 0)
    tags[fetched] = tags[fetched] or tonumber(found[2] or 0)
  end
  local tag = math.max(tags[field], tags[fetched]) + 1
  tags[field] = tag
  dirty[field] = true
  return priority * BAND + tag
end

-- `score` was fetched: later arrivals of its priority line up behind it.
local function advance(score)
  local priority = math.floor(score / BAND)
  local tag = score - priority * BAND
  local field = 'v' .. priority
  if tag > read_tag(field) then
    tags[field] = tag
    dirty[field] = true
  end
end

local function save_tags()
  for field in pairs(dirty) do redis.call('HSET', K.tags, field, tags[field]) end
end
