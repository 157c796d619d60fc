#!lua flags=allow-oom
-- cycle.lua: a worker process's one call: finish what ended, promote what is due, fetch what it can start.
--
-- KEYS[1]   payload     KEYS[2]  record      KEYS[3]  waiting    KEYS[4]  delayed    KEYS[5]  active
-- KEYS[6]   completed   KEYS[7]  failed      KEYS[8]  cancelled  KEYS[9]  attempts   KEYS[10] logs
-- KEYS[11]  results     KEYS[12] expiry      KEYS[13] children   KEYS[14] meta       KEYS[15] totals
-- KEYS[16]  history     KEYS[17] events      KEYS[18] outbox     KEYS[19] calls      KEYS[20] wake
-- KEYS[21]  tags        KEYS[22] progress    KEYS[23] checkpoints KEYS[24] cancels
-- KEYS[25] parents    KEYS[26] staged
-- ARGV[1]   worker id (12 characters)
-- ARGV[2]   number of the call, rising a worker; with the id it makes the token of what is fetched
-- ARGV[3]   jobs to fetch that start at once      ARGV[4]  jobs to fetch ahead (reserve)
-- ARGV[5]   jobs this process holds already, in any queue
-- ARGV[6]   packed policy {lease (ms), fair (1 or 0), max_stalls, keep_completed, keep_failed, events_max,
--           attempts_kept}
-- ARGV[7]   packed finishes, flat: id, number of its fetch, outcome, duration (ms), id, … ('' for none).
--           outcome: c completed, r retry, d deferred (costs no attempt), f failed, x cancelled, b back (not run)
-- ARGV[8]   packed extras, flat: place of its finish (1 first), extra, … ('' for none)
--           extra: delay (ms), error {type, message, traceback}, reason, options (JSON), result, result_ttl (ms;
--           without: it lives as long as the job), outbox {{queue, id, payload, priority, workspace, delay (ms)} …}
-- ARGV[9]   packed {id, number} pairs started from the reserve and still running ('' for none)
-- Returns   {codes, jobs, waiting, next due (ms), paused, lone, outbox length, now (ms), cancels}
--           codes: one character a finish, 1 done, 0 stale token or no record (nothing changed)
--           jobs: id, payload, packed record, id, …     lone: 1 when a job waits that must start alone
--           cancels: ids of this worker's jobs that are to be interrupted
-- include: record clock lists count tags wake due outbox family kin told forget attempts erase cancels finish fetch
local PROMOTE_LIMIT = 200
local worker, call = ARGV[1], tonumber(ARGV[2])
local policy = cmsgpack.unpack(ARGV[6])
local fair = policy[2] == 1
local codes, requeued = '', 0

-- A resend after a lost reply gets the first answer; what arrives after its resend fetches nothing. An older call may
-- still be news when calls overtook each other (one met NOSCRIPT): tokens tell, and what is stale is not counted again.
local memo = redis.call('HGET', K.calls, worker)
memo = memo and cmsgpack.unpack(memo)
local repeated = memo and call <= memo[1]
if repeated then ARGV[3], ARGV[4] = 0, 0 end
if ARGV[7] ~= '' then
  if memo and call == memo[1] then
    codes = memo[3]
  else
    codes, requeued = finish(worker, policy, cmsgpack.unpack(ARGV[7]), ARGV[8] ~= '' and cmsgpack.unpack(ARGV[8]) or {},
      repeated)
    if not repeated then redis.call('HSET', K.calls, worker, cmsgpack.pack({call, now, codes})) end
  end
end

-- Only a started job can stall: starts from the reserve that are still running are written down.
if ARGV[9] ~= '' then
  for _, pair in ipairs(cmsgpack.unpack(ARGV[9])) do
    local packed = redis.call('HGET', K.record, pair[1])
    if packed and is_owned(packed, token_of(worker, pair[2])) then
      local rec = decode(packed)
      if rec.started == 0 then
        rec.started = now
        redis.call('HSET', K.record, pair[1], encode(rec))
      end
    end
  end
end

local promoted, next_due = promote_due(PROMOTE_LIMIT, fair, policy[6])
local jobs, fetched, paused, lone =
  fetch(worker, call, policy, tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
save_tags()

local left = redis.call('ZCARD', K.waiting)
if left > 0 and paused == 0 and (fetched > 0 or promoted > 0 or requeued > 0) then mark() end
return {codes, jobs, left, next_due, paused, lone, redis.call('ZCARD', K.outbox), now, cancels_of(worker)}
