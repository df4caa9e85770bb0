-- Read the schedules whose time lies in a stretch, with all that is needed to decide about them. Writes nothing.
-- KEYS  1 next (ZSET)  2 schedules (HASH)  3 positions (HASH)
-- ARGV  1 least score  2 greatest score  3 how many at most  4 bytes of a definition; of a longer one that is the beginning
--       5 how many of the first to leave out
-- Returns {now, least score above that stretch or "", how many lie in it,
--          then groups of four: name, score, definition or "", position or ""}
local time = redis.call('TIME')
local found = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[2], 'WITHSCORES', 'LIMIT', ARGV[5], ARGV[3])
local after = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[2], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2] or ''
local count = redis.call('ZCOUNT', KEYS[1], ARGV[1], ARGV[2])
local answer = {string.format('%.6f', time[1] + time[2] / 1000000), after, count}
for i = 1, #found, 2 do
  answer[#answer + 1] = found[i]
  answer[#answer + 1] = found[i + 1]
  answer[#answer + 1] = (redis.call('HGET', KEYS[2], found[i]) or ''):sub(1, tonumber(ARGV[4]))
  answer[#answer + 1] = redis.call('HGET', KEYS[3], found[i]) or ''
end
return answer
