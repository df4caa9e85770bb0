-- Put tasks into a queue, once even when the call is repeated because its reply was lost.
-- KEYS  1 queue (LIST)  2 this producer's last sequence number (STRING)
-- ARGV  1 sequence number  2 seconds to remember it  3 "L" producers' end | "R" next to run
--       4 channel  5 event ("" for none)  6.. payloads (at most 1,000)
-- Returns {1 done | 0 it was done before, length of the queue}
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[1]) then
  return {0, redis.call('LLEN', KEYS[1])}
end
-- The push comes first: when it is refused (another type, out of memory) nothing has been done.
local length = redis.call(ARGV[3] == 'R' and 'RPUSH' or 'LPUSH', KEYS[1], unpack(ARGV, 6))
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
return {1, length}
