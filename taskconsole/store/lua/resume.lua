-- Let workers claim again.
-- KEYS  1 paused (STRING)  2 log (STREAM)  3 note (HASH)
-- ARGV  1 cap of the log  2 channel  3 event  4 token  5 seconds to keep the note
-- Returns {1 resumed | 0 it was not paused, what the key held}; a repeated call with its token answers the same
local before = redis.call('HGET', KEYS[3], 'value')
if before then return {1, before} end
before = redis.call('GET', KEYS[1])
if not before then return {0, ''} end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[3], 'op', 'resume', 'value', before)
redis.call('EXPIRE', KEYS[3], ARGV[5])
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'e', ARGV[3])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return {1, before}
