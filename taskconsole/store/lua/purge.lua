-- Empty the pending list, a delayed or the dead set of a queue in one step, whatever its size.
-- KEYS  1 what to empty (LIST or ZSET)  2 trash (same type)  3 note (HASH)  4 log (STREAM)  5 stats (HASH)
--       6 discards (ZSET)
-- ARGV  1 "pending" | "delayed" | "public" | "dead"  2 most tasks the operator agreed to ("" for any)
--       3 seconds to keep them  4 cap of the log  5 channel  6 event  7 tombstone
--       8 longest list in which tombstones are counted one by one
--       9 token  10 seconds more in which a worker frees them, before they expire
-- Returns {1, how many went}, {0, how many there are} when there are more than agreed;
--         a repeat with its note answers the same
local gone = redis.call('HGET', KEYS[3], 'n')
if gone then return {1, tonumber(gone)} end
local n = redis.call(ARGV[1] == 'pending' and 'LLEN' or 'ZCARD', KEYS[1])
if n == 0 then return {1, 0} end
-- A tombstone is no task; it goes with the others.
local tombstones = 0
if ARGV[1] == 'pending' then
  tombstones = math.min(n, math.max(0, math.floor(tonumber(redis.call('HGET', KEYS[5], 'tombstones') or '0') or 0)))
  -- What workers have passed over they take off that count a moment later.
  if tombstones > 0 and n <= tonumber(ARGV[8]) then
    tombstones = #redis.call('LPOS', KEYS[1], ARGV[7], 'RANK', -1, 'COUNT', tombstones)
  end
end
n = n - tombstones
if ARGV[2] ~= '' and n > tonumber(ARGV[2]) then return {0, n} end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('EXPIRE', KEYS[2], ARGV[3] + ARGV[10])
redis.pcall('ZADD', KEYS[6], redis.call('TIME')[1] + ARGV[3], ARGV[9])
redis.call('EXPIRE', KEYS[6], ARGV[3] + ARGV[10])
if tombstones > 0 then redis.call('HINCRBY', KEYS[5], 'tombstones', -tombstones) end
local event = ARGV[6]:gsub('"n":%d+', '"n":' .. n, 1)
redis.call('HSET', KEYS[3], 'op', 'purge', 'state', ARGV[1], 'n', n, 'tombstones', tombstones)
redis.call('EXPIRE', KEYS[3], ARGV[3])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[4], '*', 'e', event)
redis.call('PUBLISH', ARGV[5], event)
return {1, n}
