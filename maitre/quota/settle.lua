-- Replace a hold by what was used. Only the first call with a hold id does anything. A hold that is not known was
-- settled before, or was taken while the account was loaded: the account is unloaded, so that the ledger decides.
-- KEYS  1 account hash  2 holds hash  3 generation    ARGV  1 hold id  2 account ttl s  then pairs: field, tokens
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('INCR', KEYS[3])
  redis.call('EXPIRE', KEYS[3], ARGV[2])
  return 0
end
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then
  redis.call('DEL', KEYS[1])
  redis.call('INCR', KEYS[3])
  redis.call('EXPIRE', KEYS[3], ARGV[2])
  return 0
end
for i = 3, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
return 1
