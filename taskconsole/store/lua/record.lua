-- Add a worker's sums of the last second to the queue's statistics, and its sample of finished tasks.
-- KEYS  1 stats (HASH)  2 stats of this minute (HASH)  3 done (LIST)
-- ARGV  1 seconds to keep the minute  2 cap of the done list  3 pairs that follow
--       4.. that many pairs of field and number, then finished tasks (JSON), oldest first
-- Returns 1. Repeating it counts twice, so it is never repeated: a lost second is better than an invented one.
local last = 3 + 2 * tonumber(ARGV[3])
for i = 4, last, 2 do
  -- Histogram fields ("run:…", "wait:…") live only in the minute.
  if not ARGV[i]:find(':', 1, true) then redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
  redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', KEYS[2], ARGV[1])
if #ARGV > last then
  redis.call('LPUSH', KEYS[3], unpack(ARGV, last + 1))
  redis.call('LTRIM', KEYS[3], 0, ARGV[2] - 1)
end
return 1
