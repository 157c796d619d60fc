-- record.lua: the packed record of a job, and its states. Python's side of the same layout is callboard/records.py.
--
--   head, 12 bytes:   state (1)  priority (2)  added ms (8)  length of workspace (1)
--   workspace
--   rest, 58 bytes, only once the job was due, fetched or changed:
--       ready ms (8)  attempts (2)  stalls (2)  lost (2)  score in waiting (8)  started ms (8)  duration ms (4)
--       number of the fetch (8)  worker id (12)  length of options (4)
--   options (JSON, when an attempt changed them)
--   reason
--
-- Fixed places rather than a packed list: the paths that every job takes (fetch, complete) cut and join strings and
-- build no table, which halves their cost. The others use `decode` and `encode`.
local HEAD, REST_FORMAT = 12, '>I8HHHI8I8I4I8c12I4'
local WAITING, DELAYED, ACTIVE, BLOCKED = 'w', 'd', 'a', 'b'
local COMPLETED, FAILED, CANCELLED = 'c', 'f', 'x'
local IS_ACTIVE = string.byte(ACTIVE)
local NO_WORKER = string.rep('\0', 12)
local BLANK = struct.pack(REST_FORMAT, 0, 0, 0, 0, 0, 0, 0, 0, NO_WORKER, 0)
local sub, byte, pack, unpack_struct = string.sub, string.byte, struct.pack, struct.unpack

-- Where the rest begins, whether it is there or not.
local function rest_at(rec) return HEAD + byte(rec, HEAD) + 1 end

local function new_record(state, priority, added, workspace)
  return pack('>c1HI8B', state, priority, added, #workspace) .. workspace
end

local function token_of(worker, number) return pack('>I8', number) .. worker end

-- Whether the job is active and belongs to the fetch that `token` names.
local function is_owned(rec, token)
  if byte(rec, 1) ~= IS_ACTIVE then return false end
  local at = rest_at(rec)
  return sub(rec, at + 34, at + 53) == token
end

-- waiting -> active. `started` is packed (8 bytes, 0: reserved only).
local function activate(rec, score, started, token)
  local at = rest_at(rec)
  if #rec < at then rec = rec .. BLANK end
  return ACTIVE .. sub(rec, 2, at + 13) .. pack('>I8', score) .. started .. '\0\0\0\0' .. token .. sub(rec, at + 54)
end

-- active -> completed, one more attempt made.
local function complete(rec, ended, duration)
  local at = rest_at(rec)
  local attempts = unpack_struct('>H', rec, at + 8)
  return COMPLETED .. sub(rec, 2, at + 7) .. pack('>H', attempts + 1) .. sub(rec, at + 10, at + 21)
    .. pack('>I8I4', ended - duration, duration) .. sub(rec, at + 34)
end

local function decode(rec)
  local r = {}
  local at = rest_at(rec)
  r.state, r.priority, r.added = unpack_struct('>c1HI8', rec)
  r.workspace = sub(rec, HEAD + 1, at - 1)
  if #rec < at then rec = rec .. BLANK end
  local options
  r.ready, r.attempts, r.stalls, r.lost, r.score, r.started, r.duration, r.number, r.worker, options =
    unpack_struct(REST_FORMAT, rec, at)
  r.options = sub(rec, at + 58, at + 57 + options)
  r.reason = sub(rec, at + 58 + options)
  return r
end

local function encode(r)
  return new_record(r.state, r.priority, r.added, r.workspace)
    .. pack(REST_FORMAT, r.ready, r.attempts, r.stalls, r.lost, r.score, r.started, r.duration, r.number, r.worker,
      #r.options)
    .. r.options .. r.reason
end
