-- Take pending tasks out of a piece of their queue without walking a long list, and put them elsewhere.
-- KEYS  1 queue (LIST)  2 trash (LIST)  3 note (HASH)  4 log (STREAM)  5 stats (HASH)  6 dead or delayed (ZSET)
-- ARGV  1 "delete" | "move": into the trash | "run": to the right end | "back": into KEYS[6], where they came from
--       2 nearest and 3 farthest place of the piece, counted from the right end (0 = next to run; ≤ 2,000 in all)
--       4 most tasks there may be ("" for any)  5 how near an end LREM may be used  6 tombstone
--       7 seconds to keep them, 0 until somebody says otherwise  8 cap of the log  9 channel  10 event
--       11 more for the note (where to)  12 wake channel of a delayed set that they go back into ("" for any other place)
--       13.. groups of three: payload, what to put back and its score ("" unless "back")
-- Returns {a "1" for each that was taken and a "0" for each that is not in the piece, places that were looked at},
--         or {"", how many there are} when there are more than agreed; a repeat with its note answers the same
-- include told
local done = redis.call('HMGET', KEYS[3], 'done', 'looked')
if done[1] then return {done[1], tonumber(done[2])} end
local length = redis.call('LLEN', KEYS[1])
if ARGV[4] ~= '' then
  local n = length - math.max(0, tonumber(redis.call('HGET', KEYS[5], 'tombstones') or '0') or 0)
  if n > tonumber(ARGV[4]) then return {'', n} end
end
local first = length - 1 - math.min(length - 1, tonumber(ARGV[3]))
local last = length - 1 - math.max(0, tonumber(ARGV[2]))
local window = first <= last and redis.call('LRANGE', KEYS[1], first, last) or {}
local wanted = {}
for i = #ARGV - 2, 13, -3 do
  local same = wanted[ARGV[i]] or {}
  same[#same + 1] = i
  wanted[ARGV[i]] = same
end
local found, took = {}, {}
for at = #window, 1, -1 do
  local i = wanted[window[at]] and table.remove(wanted[window[at]])
  -- A set holds a task once: one that lies there meanwhile must not swallow ours.
  if i and not (ARGV[1] == 'back' and redis.call('ZSCORE', KEYS[6], ARGV[i + 1])) then
    found[#found + 1] = {index = first + at - 1, i = i}
    took[i] = true
  end
end
local flags = {}
for i = 13, #ARGV, 3 do flags[#flags + 1] = took[i] and '1' or '0' end
done = table.concat(flags)
if #found == 0 then return {done, #window} end
-- A removal must never be followed by a refused insertion.
local there, wants = KEYS[2], 'list'
if ARGV[1] == 'back' then there, wants = KEYS[6], 'zset' end
local kind = redis.call('TYPE', there).ok
if kind ~= wants and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. there .. ' holds a ' .. kind) end
local near, tombstones = tonumber(ARGV[5]), 0
-- First what changes no index.
for _, task in ipairs(found) do
  task.right = length - 1 - task.index <= near
  if not task.right and task.index > near then
    redis.call('LSET', KEYS[1], task.index, ARGV[6])
    tombstones = tombstones + 1
    task.gone = true
  end
end
-- Then from each end the nearest first, so that none has to be walked to past the others.
for n = 1, #found do
  if not found[n].gone and found[n].right then redis.call('LREM', KEYS[1], -1, ARGV[found[n].i]) end
end
for n = #found, 1, -1 do
  if not found[n].gone and not found[n].right then redis.call('LREM', KEYS[1], 1, ARGV[found[n].i]) end
end
if ARGV[1] == 'back' then
  for _, task in ipairs(found) do redis.call('ZADD', KEYS[6], ARGV[task.i + 2], ARGV[task.i + 1]) end
  -- Promoters sleep until the head of the set is due: what came back may be due before it.
  if ARGV[12] ~= '' then redis.call('PUBLISH', ARGV[12], redis.call('ZRANGE', KEYS[6], 0, 0, 'WITHSCORES')[2]) end
else
  local payloads = {}
  for n = #found, 1, -1 do payloads[#payloads + 1] = ARGV[found[n].i] end
  redis.call('RPUSH', ARGV[1] == 'run' and KEYS[1] or KEYS[2], unpack(payloads))
end
if tombstones > 0 then redis.call('HINCRBY', KEYS[5], 'tombstones', tombstones) end
redis.call(
  'HSET', KEYS[3], 'op', ARGV[1], 'state', 'pending', 'n', #found, 'done', done, 'looked', #window, 'to', ARGV[11]
)
if ARGV[7] ~= '0' then
  redis.call('EXPIRE', KEYS[2], ARGV[7])
  redis.call('EXPIRE', KEYS[3], ARGV[7])
end
local event = told(ARGV[10], done)
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[8], '*', 'e', event)
redis.call('PUBLISH', ARGV[9], event)
return {done, #window}
