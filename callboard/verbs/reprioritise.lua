-- reprioritise.lua: change the priority of a job that has not started; a waiting one lines up behind its equals.
--
-- KEYS[1]   record      KEYS[2]  waiting    KEYS[3]  held       KEYS[4]  delayed    KEYS[5]  blocked
-- KEYS[6]   active      KEYS[7]  completed  KEYS[8]  failed     KEYS[9]  cancelled  KEYS[10] tags
-- ARGV[1]   job id      ARGV[2]  priority   ARGV[3]  fair (1 or 0)
-- Returns   {code, state}: 1 done, 0 it has that priority, -1 no such job, -2 it has started
-- include: record tags states
local id, priority = ARGV[1], tonumber(ARGV[2])
local packed = redis.call('HGET', K.record, id)
if not packed then return {NOT_FOUND, ''} end
local r = decode(packed)
if not has_not_started(r.state) then return {WRONG_STATE, r.state} end
if r.priority == priority then return {0, r.state} end
r.priority = priority
redis.call('HSET', K.record, id, encode(r))
if is_waiting(r.state) then
  redis.call('ZADD', ZSET_OF[r.state], place(priority, r.workspace, ARGV[3] == '1'), id)
  save_tags()
end
return {1, r.state}
