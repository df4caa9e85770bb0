-- Give a delayed task another time.
-- KEYS  1 delayed (ZSET)  2 note (HASH)  3 log (STREAM)
-- ARGV  1 payload  2 due (seconds since the epoch; "+s" for s seconds from now by this server)
--       3 which set it is: "delayed" | "public"  4 seconds to keep the note  5 cap of the log  6 channel  7 event
--       8 wake channel of that set
-- Returns {former due, due}, or {} when the task is no longer delayed: it was moved, deleted or replaced meanwhile;
--         a repeat with its note answers the same
local done = redis.call('HMGET', KEYS[2], 'score', 'new')
if done[1] then return done end
local before = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not before then return {} end
local due = ARGV[2]
if due:sub(1, 1) == '+' then
  local time = redis.call('TIME')
  due = string.format('%.6f', time[1] + time[2] / 1000000 + tonumber(due:sub(2)))
end
-- Out of memory Redis refuses a script until its first write frees something; this one does nothing else.
redis.call('HDEL', KEYS[2], 'score')
redis.call('ZADD', KEYS[1], 'XX', due, ARGV[1])
redis.call('HSET', KEYS[2], 'op', 'reschedule', 'state', ARGV[3], 'payload', ARGV[1], 'score', before, 'new', due)
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[7])
redis.call('PUBLISH', ARGV[6], ARGV[7])
redis.call('PUBLISH', ARGV[8], due)
return {before, due}
