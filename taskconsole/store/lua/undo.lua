-- Take an operator's action back, by the note it left.
-- KEYS  1 note (HASH)  2 trash (LIST or ZSET)  3 queue (LIST)  4 delayed (ZSET)  5 dead (ZSET)  6 paused (STRING)
--       7 log (STREAM)  8 public delayed (ZSET)
-- ARGV  1 how many tasks to bring back in one call, when they must be merged  2 cap of the log  3 channel  4 event
--       5 wake channel  6 wake channel of the public delayed set
-- Returns {what was undone, tasks still to bring back: call again while it is above 0}
--         {"undone", 0} when it was undone before, {"", 0} when there is nothing to undo (any more),
--         {"changed", 0} when the task or queue has moved on meanwhile
local op = redis.call('HGET', KEYS[1], 'op')
if not op or op == 'requeue' then return {'', 0} end
if op == 'undone' then return {'undone', 0} end
local note = {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do note[flat[i]] = flat[i + 1] end
local target = ({delayed = KEYS[4], public = KEYS[8], dead = KEYS[5]})[note.state] or KEYS[3]
local left = 0
if op == 'pause' then
  if redis.call('GET', KEYS[6]) ~= note.value then return {'changed', 0} end
  redis.call('DEL', KEYS[6])
elseif op == 'resume' then
  if not redis.call('SET', KEYS[6], note.value, 'NX') then return {'changed', 0} end
elseif op == 'reschedule' then
  local score = redis.call('ZSCORE', target, note.payload)
  if not score or tonumber(score) ~= tonumber(note.new) then return {'changed', 0} end
  -- Out of memory Redis refuses a script until its first write frees something; this one does nothing else.
  redis.call('HDEL', KEYS[1], 'none')
  redis.call('ZADD', target, 'XX', note.score, note.payload)
elseif op == 'delete' then
  if note.state == 'pending' then
    redis.call('RPUSH', target, note.payload)
  else
    redis.call('ZADD', target, 'NX', note.score, note.payload)
  end
elseif op == 'purge' then
  if redis.call('EXISTS', KEYS[2]) == 0 then return {'', 0} end
  if redis.call('EXISTS', target) == 0 then
    redis.call('RENAME', KEYS[2], target)
    redis.call('PERSIST', target)
  elseif note.state == 'pending' then
    -- New tasks have come since: the old ones go to the right of them, in their order.
    for _ = 1, tonumber(ARGV[1]) do
      if not redis.call('LMOVE', KEYS[2], target, 'LEFT', 'RIGHT') then break end
    end
    left = redis.call('LLEN', KEYS[2])
  else
    local some = redis.call('ZRANGE', KEYS[2], 0, ARGV[1] - 1, 'WITHSCORES')
    for i = 1, #some, 2 do
      redis.call('ZADD', target, 'NX', some[i + 1], some[i])
      redis.call('ZREM', KEYS[2], some[i])
    end
    left = redis.call('ZCARD', KEYS[2])
  end
end
local wake = ({delayed = ARGV[5], public = ARGV[6]})[note.state]
if wake then
  -- Promoters sleep until the head of the set is due: what came back may be due before it.
  local head = redis.call('ZRANGE', target, 0, 0, 'WITHSCORES')[2]
  if head then redis.call('PUBLISH', wake, head) end
end
if left == 0 then
  redis.call('HSET', KEYS[1], 'op', 'undone')
  redis.call('XADD', KEYS[7], 'MAXLEN', '~', ARGV[2], '*', 'e', ARGV[4])
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
return {op, left}
