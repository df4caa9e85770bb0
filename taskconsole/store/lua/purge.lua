-- Empty the pending list, the delayed or the dead set of a queue in one step, whatever its size.
-- KEYS  1 what to empty (LIST or ZSET)  2 trash (same type)  3 note (HASH)  4 log (STREAM)
-- ARGV  1 "pending" | "delayed" | "dead"  2 most tasks the operator agreed to ("" for any)  3 seconds to keep them
--       4 cap of the log  5 channel  6 event
-- Returns {1, how many went}, {0, how many there are} when there are more than agreed;
--         a repeat with its note answers the same
local gone = redis.call('HGET', KEYS[3], 'n')
if gone then return {1, tonumber(gone)} end
local n = redis.call(ARGV[1] == 'pending' and 'LLEN' or 'ZCARD', KEYS[1])
if ARGV[2] ~= '' and n > tonumber(ARGV[2]) then return {0, n} end
if n == 0 then return {1, 0} end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[3], 'op', 'purge', 'state', ARGV[1], 'n', n)
redis.call('EXPIRE', KEYS[3], ARGV[3])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[4], '*', 'e', ARGV[6])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return {1, n}
