-- Undo a reservation whose upstream call was never made.
-- KEYS  1 account hash  2 minute zset  3 holds hash  4 turn counter  5 generation
-- ARGV  1 hold id  2 account ttl s  3 tasks a request  4 tasks field  then request fields
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('INCR', KEYS[5])
  redis.call('EXPIRE', KEYS[5], ARGV[2])
  return 0
end
local hold = redis.call('HGET', KEYS[3], ARGV[1])
if not hold then return 0 end
redis.call('HDEL', KEYS[3], ARGV[1])
local counted, kind = hold:match('^%S+ %S+ (%d) %d ?(%a*)')
if counted == '1' then
  for i = 5, #ARGV do redis.call('HINCRBY', KEYS[1], ARGV[i], -1) end
  redis.call('ZREM', KEYS[2], ARGV[1])
end
if kind == 'task' then redis.call('HINCRBY', KEYS[1], ARGV[4], counted == '1' and -tonumber(ARGV[3]) or -1) end
if kind == 'turn' and tonumber(redis.call('GET', KEYS[4]) or '0') > 0 then redis.call('DECR', KEYS[4]) end
return 1
