-- Enter a worker: from now on it may claim, and its lease runs.
-- KEYS  1 workers (ZSET)  2 worker (HASH)  3 log (STREAM)
-- ARGV  1 worker id  2 lease, milliseconds  3 seconds to keep the hash  4 cap of the log  5 channel  6 event
--       7.. pairs of field and value
-- Returns now, milliseconds since the epoch
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Out of memory Redis refuses a script until its first write frees something; this one does nothing else.
redis.call('HDEL', KEYS[2], 'command')
redis.call('HSET', KEYS[2], unpack(ARGV, 7))
redis.call('EXPIRE', KEYS[2], ARGV[3])
if redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1]) == 1 then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], '*', 'e', ARGV[6])
  redis.call('PUBLISH', ARGV[5], ARGV[6])
end
return now
