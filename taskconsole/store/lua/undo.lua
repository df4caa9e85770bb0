-- Take an operator's action back, by the note it left; at most some tasks in one call.
-- KEYS  1 note (HASH)  2 trash (LIST or ZSET)  3 former (ZSET)  4 queue (LIST)  5 delayed (ZSET)  6 dead (ZSET)
--       7 paused (STRING)  8 log (STREAM)  9 public delayed (ZSET)  10 running (HASH)  11 schedules (HASH)
--       12 stats (HASH)
-- ARGV  1 how many tasks to bring back in one call, when they must be merged  2 cap of the log  3 channel  4 event
--       5 wake channel  6 wake channel of the public delayed set  7 "1": what was put into a queue has been looked for
--       8 seconds to keep the note of a move that did not come to its end  9 token of this call ("" for none)
-- Returns {what was undone, tasks still to bring back: call again while it is above 0, brought back by this call,
--         tasks that have moved on since and were left alone}
--         {"undone", 0} when it was undone before, {"", 0} when there is nothing to undo (any more),
--         {"changed", 0} when the task or queue has moved on meanwhile,
--         {"requeue" | "run" | "moved", 0} for tasks that went into a queue: they are to be looked for there, and
--         nothing is done but to note that they have been;
--         a repeat with its token answers the same
-- include unfinished
local former = redis.call('HMGET', KEYS[1], 'op', 'call', 'answer')
local op = former[1]
if ARGV[9] ~= '' and former[2] == ARGV[9] then return cjson.decode(former[3]) end
local function answer(...)
  if ARGV[9] ~= '' then redis.call('HSET', KEYS[1], 'call', ARGV[9], 'answer', cjson.encode({...})) end
  return {...}
end
local function tasks_of(flat)
  local members, scores = {}, {}
  for i = 1, #flat, 2 do
    members[#members + 1] = flat[i]
    scores[#scores + 1] = flat[i + 1]
  end
  return members, scores
end
if not op then return {'', 0} end
if op == 'undone' then return {'undone', 0} end
if op == 'requeue' or op == 'run' or op == 'moved' then
  if ARGV[7] == '1' then
    -- Out of memory Redis refuses a script until its first write frees something.
    redis.call('DEL', KEYS[3])
    redis.call('HSET', KEYS[1], 'op', 'undone')
  end
  return {op, 0}
end
local note = {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do note[flat[i]] = flat[i + 1] end
local target = ({delayed = KEYS[5], public = KEYS[9], dead = KEYS[6]})[note.state] or KEYS[4]
local left, back, missed = 0, 0, 0
if op == 'pause' then
  if redis.call('GET', KEYS[7]) ~= note.value then return {'changed', 0} end
  redis.call('DEL', KEYS[7])
elseif op == 'resume' then
  if not redis.call('SET', KEYS[7], note.value, 'NX') then return {'changed', 0} end
elseif op == 'reschedule' then
  local some = redis.call('ZRANGE', KEYS[3], 0, ARGV[1] - 1, 'WITHSCORES')
  if #some == 0 then return {'', 0} end
  local members, scores = tasks_of(some)
  local now = redis.call('ZMSCORE', target, unpack(members))
  local same = {}
  for i, member in ipairs(members) do
    if now[i] and tonumber(now[i]) == tonumber(note.new) then
      same[#same + 1] = scores[i]
      same[#same + 1] = member
    end
  end
  back, missed = #same / 2, #members - #same / 2
  -- Out of memory Redis refuses a script until its first write frees something.
  redis.call('ZREM', KEYS[3], unpack(members))
  if back > 0 then redis.call('ZADD', target, 'XX', unpack(same)) end
  left = redis.call('ZCARD', KEYS[3])
else
  local there = redis.call('TYPE', KEYS[2]).ok
  if there == 'none' then return {'', 0} end
  local count = there == 'list' and 'LLEN' or 'ZCARD'
  local size = redis.call(count, KEYS[2])
  local payloads = {}
  if redis.call('EXISTS', target) == 0 then
    -- In one step whatever its size; only of few are schedules told that they are unfinished again.
    if size <= tonumber(ARGV[1]) then
      payloads = redis.call(there == 'list' and 'LRANGE' or 'ZRANGE', KEYS[2], 0, -1)
    end
    redis.call('RENAME', KEYS[2], target)
    redis.call('PERSIST', target)
    back = size
  elseif there == 'list' then
    -- New tasks have come since: the old ones go to the right of them, in their order.
    -- A removal must never be followed by a refused insertion.
    local kind = redis.call('TYPE', target).ok
    if kind ~= 'list' then return redis.error_reply('WRONGTYPE ' .. target .. ' holds a ' .. kind) end
    payloads = redis.call('LRANGE', KEYS[2], 0, ARGV[1] - 1)
    back = #payloads
    left = size - back
    redis.call('LTRIM', KEYS[2], back, -1)
    redis.call('RPUSH', target, unpack(payloads))
  else
    local some = redis.call('ZRANGE', KEYS[2], 0, ARGV[1] - 1, 'WITHSCORES')
    local members, scores = tasks_of(some)
    local there_again = redis.call('ZMSCORE', target, unpack(members))
    local gone = {}
    for i, member in ipairs(members) do
      if not there_again[i] then
        gone[#gone + 1] = scores[i]
        gone[#gone + 1] = member
      end
    end
    payloads, back, missed = members, #gone / 2, #members - #gone / 2
    redis.call('ZREM', KEYS[2], unpack(members))
    if back > 0 then redis.call('ZADD', target, unpack(gone)) end
    left = redis.call('ZCARD', KEYS[2])
  end
  if note.state ~= 'dead' then
    local books = unfinished(KEYS[10], KEYS[11], payloads)
    if #books > 0 then redis.call('HSET', KEYS[10], unpack(books)) end
  end
  if left == 0 and note.tombstones and note.tombstones ~= '0' then
    -- They were no tasks when they went, and are none now.
    redis.call('HINCRBY', KEYS[12], 'tombstones', note.tombstones)
    back = back - note.tombstones
  end
end
local wake = ({delayed = ARGV[5], public = ARGV[6]})[note.state]
if wake then
  -- Promoters sleep until the head of the set is due: what came back may be due before it.
  local head = redis.call('ZRANGE', target, 0, 0, 'WITHSCORES')[2]
  if head then redis.call('PUBLISH', wake, head) end
end
if op == 'reschedule' and left == 0 and back == 0 and (note.back or '0') == '0' then
  redis.call('HSET', KEYS[1], 'op', 'undone')
  return answer('changed', 0, 0, missed)
end
if left == 0 then
  redis.call('HSET', KEYS[1], 'op', 'undone')
  if redis.call('TTL', KEYS[1]) == -1 then redis.call('EXPIRE', KEYS[1], ARGV[8]) end
  local event = ARGV[4]:gsub('"n":%d+', '"n":' .. math.max(1, back + tonumber(note.back or '0')), 1)
  redis.call('XADD', KEYS[8], 'MAXLEN', '~', ARGV[2], '*', 'e', event)
  redis.call('PUBLISH', ARGV[3], event)
elseif back > 0 then
  redis.call('HINCRBY', KEYS[1], 'back', back)
end
return answer(op, left, back, missed)
