-- Have a worker end one running task; it hears it with its next heartbeat, which it makes as soon as it is woken.
-- KEYS  1 workers (ZSET)  2 processing (LIST)  3 aborts (LIST)  4 log (STREAM)
-- ARGV  1 worker id  2 payload  3 token and what the worker is to know (JSON)  4 seconds to keep it
--       5 cap of the log  6 channel  7 event  8 wake channel  9 what to say there
-- Returns 1, 0 when the task is not in its hands (any more), -1 when there is no such worker
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return -1 end
if not redis.call('LPOS', KEYS[2], ARGV[2]) then return 0 end
if not redis.call('LPOS', KEYS[3], ARGV[3]) then
  -- Out of memory Redis refuses a script until its first write frees something.
  redis.call('LTRIM', KEYS[3], 0, 98)
  redis.call('LPUSH', KEYS[3], ARGV[3])
  redis.call('EXPIRE', KEYS[3], ARGV[4])
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[7])
  redis.call('PUBLISH', ARGV[6], ARGV[7])
end
redis.call('PUBLISH', ARGV[8], ARGV[9])
return 1
