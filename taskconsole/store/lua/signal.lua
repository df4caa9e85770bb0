-- Leave a command for a worker; it hears it with its next heartbeat, which it makes as soon as it is woken.
-- KEYS  1 workers (ZSET)  2 worker (HASH)  3 log (STREAM)
-- ARGV  1 worker id  2 command  3 cap of the log  4 channel  5 event ("" for none)  6 wake channel  7 what to say there
-- Returns 1, or 0 when there is no such worker; saying it again changes nothing and is told once
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 0 end
local again = redis.call('HGET', KEYS[2], 'command') == ARGV[2]
-- Out of memory Redis refuses a script until its first write frees something.
redis.call('HDEL', KEYS[2], 'command')
redis.call('HSET', KEYS[2], 'command', ARGV[2])
if ARGV[5] ~= '' and not again then
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[3], '*', 'e', ARGV[5])
  redis.call('PUBLISH', ARGV[4], ARGV[5])
end
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
