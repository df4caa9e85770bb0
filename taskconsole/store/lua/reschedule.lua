-- Give a delayed task another time.
-- KEYS  1 delayed (ZSET)  2 note (HASH)  3 log (STREAM)
-- ARGV  1 payload  2 due, seconds since the epoch  3 seconds to keep the note  4 cap of the log  5 channel
--       6 event  7 wake channel
-- Returns {1, former due}, or {0, ""} when the task is no longer delayed; a repeat with its note answers the same
local before = redis.call('HGET', KEYS[2], 'score')
if before then return {1, before} end
before = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not before then return {0, ''} end
redis.call('ZADD', KEYS[1], 'XX', ARGV[2], ARGV[1])
redis.call('HSET', KEYS[2], 'op', 'reschedule', 'payload', ARGV[1], 'score', before, 'new', ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'e', ARGV[6])
redis.call('PUBLISH', ARGV[5], ARGV[6])
redis.call('PUBLISH', ARGV[7], ARGV[2])
return {1, before}
