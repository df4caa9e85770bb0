-- Write a schedule: definition, position and next time together, if its definition is still as the caller saw it.
-- KEYS  1 schedules (HASH)  2 next (ZSET)  3 positions (HASH)  4 code (HASH)  5 removed (STRING)  6 log (STREAM)
--       7 running (HASH)  8 note (HASH): of this action, or of the one that it takes back (may be left out)
-- ARGV  1 name  2 definition seen ("" for none)  3 definition to write  4 position seen ("" for none)
--       5 position to write  6 score ("" for none, "=" to leave it)  7 what the code says ("" to leave that)
--       8 "1" to bring back what was removed  9 cap of the log  10 channel  11 event ("" for none)  12 wake channel
--       13 its unfinished tasks when nothing is known of any (JSON, "" for none)
--       14 what is done, for the note: "edit" …; "undo" to take back what the note is of; "" for no note
--       15 seconds to keep the note
-- Returns 1 written, 2 it was so already (a repeated call), 0 something has moved on, -1 it was removed by an operator
local name, place, score = ARGV[1], ARGV[5], ARGV[6]
local definition = redis.call('HGET', KEYS[1], name) or ''
local position = redis.call('HGET', KEYS[3], name) or ''
local of = ARGV[14] == 'undo' and redis.call('HGET', KEYS[8], 'op')
if of == 'undone' then return 2 end
if ARGV[14] == 'undo' and of ~= 'schedule' then return 0 end
if ARGV[8] ~= '1' and redis.call('EXISTS', KEYS[5]) == 1 then return -1 end
if definition ~= ARGV[2] then
  if definition == ARGV[3] and (ARGV[7] == '' or redis.call('HGET', KEYS[4], name) == ARGV[7]) then return 2 end
  return 0
end
if position ~= ARGV[4] and position ~= '' then
  if definition == ARGV[3] and position == place then return 2 end
  -- It has been fired meanwhile; over a slow link that is always so, ten times a second. It changes nothing about
  -- what was decided, as long as no instant comes twice.
  local trigger = '"trigger":"([^"]*)"'
  if string.match(position, trigger) == string.match(place, trigger) then
    place = position
    if score ~= '' then score = '=' end
  else
    for _, field in ipairs({',"last":(%-?[%d%.]+)', ',"fires":(%d+)'}) do
      place = string.gsub(place, field, '')
      local stands = string.match(position, field .. '[,}]')
      if stands then place = string.sub(place, 1, -2) .. string.match(field, '^[^(]+') .. stands .. '}' end
    end
  end
end
-- What is half written would be taken for written: either all of it can be or nothing is.
for i, wanted in pairs({[2] = 'zset', [4] = 'hash', [6] = 'stream', [7] = 'hash'}) do
  local kind = redis.call('TYPE', KEYS[i]).ok
  if kind ~= wanted and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' holds a ' .. kind) end
end
local head = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
redis.call('HSET', KEYS[1], name, ARGV[3])
redis.call('HSET', KEYS[3], name, place)
if ARGV[7] ~= '' then redis.call('HSET', KEYS[4], name, ARGV[7]) end
if ARGV[13] ~= '' then redis.call('HSETNX', KEYS[7], name, ARGV[13]) end
redis.call('DEL', KEYS[5])
if ARGV[14] == 'undo' then
  redis.call('HSET', KEYS[8], 'op', 'undone')
elseif ARGV[14] ~= '' then
  redis.call('HSET', KEYS[8], 'op', 'schedule', 'state', ARGV[14], 'to', name, 'before', definition, 'after', ARGV[3])
  redis.call('EXPIRE', KEYS[8], ARGV[15])
end
if score == '' then
  redis.call('ZREM', KEYS[2], name)
elseif score ~= '=' then
  redis.call('ZADD', KEYS[2], score, name)
  -- Tickers sleep until the head is due: tell them when it has moved forward.
  if not head or tonumber(score) < tonumber(head) then redis.call('PUBLISH', ARGV[12], 'next') end
end
if ARGV[11] ~= '' then
  redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[9], '*', 'e', ARGV[11])
  redis.call('PUBLISH', ARGV[10], ARGV[11])
end
return 1
