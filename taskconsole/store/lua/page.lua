-- Read some fields of a hash with their values, each no longer than is of use. Writes nothing.
-- KEYS  1 a hash
-- ARGV  1 cursor (0 begins)  2 how many at about  3 bytes of a value
-- Returns {cursor to go on from (0 ends), {field, value, field, value ...}}
local answer = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local most = tonumber(ARGV[3])
for i = 2, #answer[2], 2 do
  if #answer[2][i] > most then answer[2][i] = answer[2][i]:sub(1, most) end
end
return answer
