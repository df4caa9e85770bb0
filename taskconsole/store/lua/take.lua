-- Take tasks out of a delayed or the dead set into the trash: deleted, or on their way to another queue.
-- KEYS  1 delayed, public delayed or dead (ZSET)  2 trash (ZSET)  3 note (HASH)  4 log (STREAM)
-- ARGV  1 "delete" | "move"  2 which set it is: "delayed" | "public" | "dead"  3 most tasks there may be ("" for any)
--       4 seconds to keep them, 0 until somebody says otherwise  5 cap of the log  6 channel  7 event
--       8 more for the note (where to)  9.. payloads (≤ 1,000)
-- Returns {a "1" for each that was taken and a "0" for each that was no longer there},
--         or {"", how many there are} when there are more than agreed; a repeat with its note answers the same
-- include told
local done = redis.call('HGET', KEYS[3], 'done')
if done then return {done} end
if ARGV[3] ~= '' then
  local n = redis.call('ZCARD', KEYS[1])
  if n > tonumber(ARGV[3]) then return {'', n} end
end
local scores = redis.call('ZMSCORE', KEYS[1], unpack(ARGV, 9))
local taken, kept, flags, seen = {}, {}, {}, {}
for i = 9, #ARGV do
  local score = scores[i - 8]
  -- A member is there once, however often it is named.
  if score and not seen[ARGV[i]] then
    seen[ARGV[i]] = true
    taken[#taken + 1] = ARGV[i]
    kept[#kept + 1] = score
    kept[#kept + 1] = ARGV[i]
    flags[#flags + 1] = '1'
  else
    flags[#flags + 1] = '0'
  end
end
done = table.concat(flags)
if #taken == 0 then return {done} end
-- A removal must never be followed by a refused insertion.
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'zset' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' holds a ' .. kind) end
redis.call('ZREM', KEYS[1], unpack(taken))
redis.call('ZADD', KEYS[2], unpack(kept))
redis.call('HSET', KEYS[3], 'op', ARGV[1], 'state', ARGV[2], 'n', #taken, 'done', done, 'to', ARGV[8])
if ARGV[4] ~= '0' then
  redis.call('EXPIRE', KEYS[2], ARGV[4])
  redis.call('EXPIRE', KEYS[3], ARGV[4])
end
local event = told(ARGV[7], done)
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[5], '*', 'e', event)
redis.call('PUBLISH', ARGV[6], event)
return {done}
