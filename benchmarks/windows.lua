-- Four windows of an account at once, all or nothing: what a check of the house does, without its bookkeeping.
-- KEYS  the counters of 4 windows    ARGV  4 pairs amount, limit; then 4 times seconds to live
-- Returns {'granted', 0} | {'denied', the window}
local used = redis.call('MGET', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
for i = 1, 4 do
  if (tonumber(used[i]) or 0) + tonumber(ARGV[i * 2 - 1]) > tonumber(ARGV[i * 2]) then return {'denied', i} end
end
for i = 1, 4 do
  redis.call('INCRBY', KEYS[i], ARGV[i * 2 - 1])
  redis.call('EXPIRE', KEYS[i], ARGV[8 + i])
end
return {'granted', 0}
