-- Stop workers from claiming; tasks in their hands go on.
-- KEYS  1 paused (STRING)  2 log (STREAM)  3 note (HASH)
-- ARGV  1 who, when, why (JSON)  2 cap of the log  3 channel  4 event  5 token  6 seconds to keep the note
-- Returns {1 paused | 0 it was paused already, what the key holds}; a repeated call with its token answers the same
if redis.call('EXISTS', KEYS[3]) == 1 then return {1, redis.call('GET', KEYS[1]) or ARGV[1]} end
if not redis.call('SET', KEYS[1], ARGV[1], 'NX') then return {0, redis.call('GET', KEYS[1])} end
redis.call('HSET', KEYS[3], 'op', 'pause', 'value', ARGV[1])
redis.call('EXPIRE', KEYS[3], ARGV[6])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'e', ARGV[4])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return {1, ARGV[1]}
