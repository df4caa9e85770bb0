-- Put members of the public delayed set on their way to a queue whose keys lie elsewhere in a cluster.
-- KEYS  1 delayed (ZSET)  2 moves under way (ZSET)  3 what this move carries (ZSET)
-- ARGV  1 move: its id and the queue it goes to  2 "due" for only what is due | "any"  3.. payloads (at most 1,000)
-- Returns what it carries: payload, due, payload, due …; a repeat answers the same
-- What is gone or no longer due was deleted, rescheduled or moved by another meanwhile.
if redis.call('EXISTS', KEYS[3]) == 0 then
  -- A removal must never be followed by a refused insertion.
  local kind = redis.call('TYPE', KEYS[2]).ok
  if kind ~= 'zset' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' holds a ' .. kind) end
  local time = redis.call('TIME')
  local now = time[1] + time[2] / 1000000
  for i = 3, #ARGV do
    local due = redis.call('ZSCORE', KEYS[1], ARGV[i])
    if due and (ARGV[2] == 'any' or tonumber(due) <= now) then
      redis.call('ZREM', KEYS[1], ARGV[i])
      redis.call('ZADD', KEYS[3], due, ARGV[i])
      redis.call('ZADD', KEYS[2], string.format('%.6f', now), ARGV[1])
    end
  end
end
return redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES')
