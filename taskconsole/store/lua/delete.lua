-- Take one task out of a delayed or the dead set; it can be brought back until the note expires.
-- KEYS  1 delayed, public delayed or dead (ZSET)  2 note (HASH)  3 log (STREAM)
-- ARGV  1 payload  2 which set it is: "delayed" | "public" | "dead"  3 seconds to keep the note  4 cap of the log
--       5 channel  6 event
-- Returns 1, or 0 when it is no longer there; a repeat with its note answers 1
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
local score = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not score then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], 'op', 'delete', 'state', ARGV[2], 'payload', ARGV[1], 'score', score)
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'e', ARGV[6])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
