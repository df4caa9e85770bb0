-- Put a dead or delayed task back into its queue, to run now.
-- KEYS  1 dead or delayed (ZSET)  2 queue (LIST)  3 note (HASH)  4 log (STREAM)  5 running (HASH)  6 schedules (HASH)
-- ARGV  1 payload as it stands  2 payload to run  3 "L" behind the others | "R" next to run
--       4 seconds to keep the note  5 cap of the log  6 channel  7 event
-- Returns 1, or 0 when it is no longer there; a repeat with its note answers 1
if redis.call('EXISTS', KEYS[3]) == 1 then return 1 end
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'list' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[2] .. ' holds a ' .. kind) end
-- The task of a schedule is unfinished again: the schedule's next one must not overlap it.
local found, task = false, nil
if string.find(ARGV[2], '"schedule"', 1, true) then found, task = pcall(cjson.decode, ARGV[2]) end
local schedule = found and type(task) == 'table' and type(task.id) == 'string' and task.schedule
local unfinished = nil
if type(schedule) == 'string' and redis.call('HEXISTS', KEYS[6], schedule) == 1 then
  local read, running = pcall(cjson.decode, redis.call('HGET', KEYS[5], schedule) or '{}')
  if not read or type(running) ~= 'table' then running = {} end
  local time = redis.call('TIME')
  local now = time[1] + time[2] / 1000000
  running[task.id] = now
  -- What somebody else wrote may be read and yet not be written.
  read, unfinished = pcall(cjson.encode, running)
  if not read then unfinished = cjson.encode({[task.id] = now}) end
end
if redis.call('ZREM', KEYS[1], ARGV[1]) == 0 then return 0 end
if unfinished then redis.call('HSET', KEYS[5], schedule, unfinished) end
redis.call(ARGV[3] == 'R' and 'RPUSH' or 'LPUSH', KEYS[2], ARGV[2])
redis.call('HSET', KEYS[3], 'op', 'requeue')
redis.call('EXPIRE', KEYS[3], ARGV[4])
redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[7])
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
