-- Leave a command for a worker; it hears it with its next heartbeat.
-- KEYS  1 workers (ZSET)  2 worker (HASH)
-- ARGV  1 worker id  2 command
-- Returns 1, or 0 when there is no such worker
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
-- Out of memory Redis refuses a script until its first write frees something.
redis.call('HDEL', KEYS[2], 'command')
redis.call('HSET', KEYS[2], 'command', ARGV[2])
return 1
