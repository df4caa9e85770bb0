-- Set tasks aside until their time, once even when the call is repeated because its reply was lost.
-- KEYS  1 delayed (ZSET)  2 this producer's last sequence number (STRING)
-- ARGV  1 sequence number  2 seconds to remember it  3 wake channel  4 channel  5 event ("" for none)
--       6.. pairs of: due (seconds since the epoch; "+s" for s seconds from now by this server), payload
-- Returns {1 done | 0 it was done before, members of the set}
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[1]) then
  return {0, redis.call('ZCARD', KEYS[1])}
end
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local head = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
local earliest = math.huge
local members = {}
for i = 6, #ARGV, 2 do
  local due = ARGV[i]
  if due:sub(1, 1) == '+' then due = string.format('%.6f', now + tonumber(due:sub(2))) end
  earliest = math.min(earliest, tonumber(due))
  members[#members + 1] = due
  members[#members + 1] = ARGV[i + 1]
end
redis.call('ZADD', KEYS[1], unpack(members))
redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
-- Promoters sleep until the head of the set is due: tell them when the head has moved forward.
if not head or earliest < tonumber(head) then redis.call('PUBLISH', ARGV[3], string.format('%.6f', earliest)) end
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
return {1, redis.call('ZCARD', KEYS[1])}
