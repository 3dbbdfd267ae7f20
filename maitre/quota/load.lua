-- Load an unloaded account, unless something happened to it since the ledger was read.
-- KEYS  1 account hash  2 minute zset  3 holds hash  4 generation  then one turn counter for each turn
-- ARGV  1 generation  2 day  3 account ttl s  4 turn ttl s  5 fields n  6 recent n  7 holds n
--       then n pairs field, sum; n pairs score, hold id; n pairs hold id, hold text; the turns' counts
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
if (redis.call('GET', KEYS[4]) or '0') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[2], KEYS[3])
redis.call('HSET', KEYS[1], 'day', ARGV[2])
local at = 8
for _ = 1, tonumber(ARGV[5]) do redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1]) at = at + 2 end
for _ = 1, tonumber(ARGV[6]) do redis.call('ZADD', KEYS[2], ARGV[at], ARGV[at + 1]) at = at + 2 end
for _ = 1, tonumber(ARGV[7]) do redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1]) at = at + 2 end
for i = 5, #KEYS do redis.call('SET', KEYS[i], ARGV[at], 'EX', ARGV[4]) at = at + 1 end
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], 121000)
redis.call('EXPIRE', KEYS[3], ARGV[3])
return 1
