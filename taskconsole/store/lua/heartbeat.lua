-- Renew a worker's lease, say what it is doing, and hear what operators want of it.
-- KEYS  1 workers (ZSET)  2 worker (HASH)  3 aborts (LIST)
-- ARGV  1 worker id  2 lease, milliseconds  3 seconds to keep the hash  4 channel  5.. pairs of field and value
-- Returns {"K", now in milliseconds since the epoch, subscribers of the channel, command or "", tasks to end}
--         {"F"}  the lease was reclaimed
-- A command stays and is told with every beat: this answer may be lost, and hearing it twice is harmless.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wanted = redis.call('HGET', KEYS[2], 'command')
local renewed = redis.pcall('ZADD', KEYS[1], 'XX', 'CH', now + ARGV[2], ARGV[1])
if type(renewed) == 'table' then
  -- Out of memory ZADD is refused until something was freed; a lease must be renewed even then.
  redis.call('HDEL', KEYS[2], 'none')
  renewed = redis.call('ZADD', KEYS[1], 'XX', 'CH', now + ARGV[2], ARGV[1])
end
if renewed == 0 and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return {'F'} end
if #ARGV > 4 then
  redis.call('HSET', KEYS[2], unpack(ARGV, 5))
  redis.call('EXPIRE', KEYS[2], ARGV[3])
end
local aborts = redis.pcall('LRANGE', KEYS[3], 0, 99)
return {'K', now, redis.call('PUBSUB', 'NUMSUB', ARGV[4])[2], wanted or '', aborts.err and {} or aborts}
