-- Take a schedule away; tasks that it has made stay. The note keeps code from bringing it back, and its past known.
-- KEYS  1 schedules (HASH)  2 next (ZSET)  3 positions (HASH)  4 code (HASH)  5 removed (STRING)  6 log (STREAM)
--       7 running (HASH)  8 buffered (HASH)  9 runs of this schedule (LIST)
--       10 note (HASH): of this action, or of the one that it takes back (may be left out)
-- ARGV  1 name  2 definition seen ("" when somebody took it out by hand)
--       3 note: who, when, what it was (JSON, one line)  4 seconds to keep the note  5 cap of the log  6 channel  7 event
--       8 what is done, for the note; "undo" to take back what it is of; "" for no note  9 seconds to keep the note
-- Returns 1, or 2 when a buffered task went with it; 0 when something has moved on
--         a repeated call finds its note and answers 1
local note = ARGV[3] .. '\n'
if string.sub(redis.call('GET', KEYS[5]) or '', 1, #note) == note then return 1 end
if ARGV[8] == 'undo' and redis.call('HGET', KEYS[10], 'op') ~= 'schedule' then return 0 end
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
-- Half a removal could not be repeated: either all of it can be done or nothing is.
for i, wanted in ipairs({'hash', 'zset', 'hash', 'hash', 'string', 'stream', 'hash', 'hash', 'list'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= wanted and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. kind) end
end
-- It may have been fired since it was seen, ten times a second: its past is what stands here now.
local past = {}
for i, key in ipairs({KEYS[3], KEYS[7]}) do
  past[i] = redis.call('HGET', key, ARGV[1]) or ''
  -- What is longer, or more than a line, was not written by us.
  if #past[i] > 8192 or string.find(past[i], '\n', 1, true) then past[i] = '' end
end
-- Removals first: they go through even when Redis is full.
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
for _, i in ipairs({3, 4, 7}) do redis.call('HDEL', KEYS[i], ARGV[1]) end
local buffered = redis.call('HDEL', KEYS[8], ARGV[1])
redis.call('DEL', KEYS[9])
redis.call('SET', KEYS[5], note .. past[1] .. '\n' .. past[2], 'EX', ARGV[4])
if ARGV[8] == 'undo' then
  redis.call('HSET', KEYS[10], 'op', 'undone')
elseif ARGV[8] ~= '' then
  redis.call('HSET', KEYS[10], 'op', 'schedule', 'state', ARGV[8], 'to', ARGV[1], 'before', ARGV[2], 'after', '')
  redis.call('EXPIRE', KEYS[10], ARGV[9])
end
redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[7])
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1 + buffered
