-- Check every window of an account at once and take the hold, or change nothing.
-- Bound to maitre/quota/redis_store.py (keys and arguments) and to memory_store.py (the same rules).
--
-- KEYS  1 account hash   2 minute zset   3 holds hash   4 turn counter   5 generation
-- ARGV  1 now ms  2 day  3 hold id  4 expires ms  5 tokens  6 kind  7 per-minute limit or -1
--       8 tool calls a turn  9 turn ttl s  10 tasks a request  11 tasks field  12 account ttl s
--       13..15 request fields (day, month, total)  then triples: resource, field, limit or -1
-- Returns {'granted', counted, later} | {'denied', counted, held, frees at ms or -1, used...} | {'unloaded'}
local account, minute, holds, turn, generation = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local now, hold_id, tokens, kind = tonumber(ARGV[1]), ARGV[3], tonumber(ARGV[5]), ARGV[6]
local per_minute = tonumber(ARGV[7])

local day = redis.call('HGET', account, 'day')
if not day then return {'unloaded'} end

local mine = redis.call('HGET', holds, hold_id)
if mine then
  local counted, later = mine:match('^%S+ %S+ (%d) (%d)')
  return {'granted', tonumber(counted), tonumber(later)}
end

-- A hold is the text "expires tokens counted later kind".
local held, stale = 0, day ~= ARGV[2]
local all = redis.call('HVALS', holds)
for i = 1, #all do
  local expires, amount = all[i]:match('^(%d+) (%d+)')
  if tonumber(expires) < now then stale = true end
  held = held + tonumber(amount)
end
if stale then
  redis.call('DEL', account, minute, holds)
  redis.call('INCR', generation)
  redis.call('EXPIRE', generation, ARGV[12])
  return {'unloaded'}
end

local counted, later = 1, 0
if kind == 'repair' then
  counted = 0
elseif kind == 'task' then
  local tasks = tonumber(redis.call('HGET', account, ARGV[11]) or '0')
  local requests = tonumber(redis.call('HGET', account, ARGV[13]) or '0')
  if tasks < tonumber(ARGV[10]) * math.max(1, requests) then counted = 0 end
else
  local calls = tonumber(redis.call('GET', turn) or '0')
  if calls > 0 and calls < tonumber(ARGV[8]) then counted, later = 0, 1 end
end

-- What left the minute is kept for another one: requests of several processes arrive a little out of order.
redis.call('ZREMRANGEBYSCORE', minute, '-inf', '(' .. string.format('%d', now - 120000))
local since = string.format('%d', now - 60000)
local full, frees_at = false, -1
if counted == 1 and per_minute >= 0 then
  local count = redis.call('ZCOUNT', minute, since, '+inf')
  if count >= per_minute then
    full = true
    local entry = redis.call('ZRANGEBYSCORE', minute, since, '+inf', 'WITHSCORES', 'LIMIT', count - per_minute, 1)
    frees_at = (entry[2] and tonumber(entry[2]) or now) + 60000
  end
end

local used = {}
for i = 16, #ARGV, 3 do
  local amount = tonumber(redis.call('HGET', account, ARGV[i + 1]) or '0')
  local limit = tonumber(ARGV[i + 2])
  local asked = held + tokens
  if ARGV[i] == 'requests' then asked = counted end
  if limit >= 0 and asked > 0 and amount + asked > limit then full = true end
  used[#used + 1] = amount
end
if full then
  local answer = {'denied', counted, held, frees_at}
  for i = 1, #used do answer[#answer + 1] = used[i] end
  return answer
end

redis.call('HSET', holds, hold_id, ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. counted .. ' ' .. later .. ' ' .. kind)
redis.call('EXPIRE', holds, ARGV[12])
redis.call('EXPIRE', account, ARGV[12])
if counted == 1 then
  for i = 13, 15 do redis.call('HINCRBY', account, ARGV[i], 1) end
  redis.call('ZADD', minute, now, hold_id)
  redis.call('PEXPIRE', minute, 121000)
end
if kind == 'task' then
  -- A task that counts as a request uses up the tasks which that request would bring along.
  redis.call('HINCRBY', account, ARGV[11], counted == 1 and ARGV[10] or 1)
end
if kind == 'turn' then
  redis.call('INCR', turn)
  redis.call('EXPIRE', turn, ARGV[9])
end
return {'granted', counted, later}
