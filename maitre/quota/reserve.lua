-- Check every window of every subject at once and take the hold, or change nothing.
-- The rules are those of maitre/quota/reservation.py (standing, room, near), as the twin in memory_store.py has them.
--
-- ARGV  1 now  2 day  3 hold id  4 expires  5 kind  6 turn id  7 prompt tokens  8 completion tokens  9 least tokens
--       10 prompt price  11 completion price  12 tool calls a turn  13 turn ttl s  14 tasks a request  15 tasks field
--       16..18 request fields (day, month, total)  19 counted, 20 later: -1 when they are to be decided
--       21 subjects n, then n subjects, the account first, then fours: subject's number, resource, field, limit
-- Returns {'granted', counted, later, completion, numbers of limits that are nearly full...}
--       | {'denied', counted, then threes: used, held, frees at or -1} | {'unloaded', subjects...}
local now, day, id, kind = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[5]
local prompt, completion, least = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local prompt_price, completion_price = tonumber(ARGV[10]), tonumber(ARGV[11])
local requests = {ARGV[16], ARGV[17], ARGV[18]}
local n = tonumber(ARGV[21])

local limits, fields = {}, {}
local subjects, windows, minutes, lives, total = {}, {}, {}, {}, {}
for i = 1, n do
  subjects[i] = ARGV[21 + i]
  fields[i] = {'epoch', 'life', 'day', 'ever', 'held:tokens', 'held:money', 'held:calls', ARGV[15], unpack(requests)}
end
for i = 22 + n, #ARGV, 4 do
  local at = tonumber(ARGV[i])
  limits[#limits + 1] = {at = at, resource = ARGV[i + 1], field = ARGV[i + 2], limit = tonumber(ARGV[i + 3])}
  fields[at][#fields[at] + 1] = ARGV[i + 2]
  if ARGV[i + 2]:sub(-6) == ':total' then total[at] = true end
end

-- The windows of a subject: numbers by field; and its life, nil when it is not loaded.
local function look(i)
  local found = call('HMGET', key('s', subjects[i]), unpack(fields[i]))
  windows[i], minutes[i] = {day = found[3], ever = found[4]}, nil
  for at = 5, #found do windows[i][fields[i][at]] = tonumber(found[at] or '0') end
  lives[i] = found[1] == epoch and found[2] or nil
end

-- Requests of the next minute count, too: see `recent` in memory_store.py.
local since, til = string.format('%d', now - 60000), string.format('%d', now + 60000)
local function minute(i)
  minutes[i] = minutes[i] or call('ZCOUNT', key('m', subjects[i]), since, til)
  return minutes[i]
end

-- Used, held, and when a full minute has room for one more.
local function reading(limit, counted)
  if limit.field == 'tokens:minute' then
    local seconds, used = used_in_minute(subjects[limit.at], now)
    local over, frees_at = used + prompt + least - limit.limit, -1
    if over > 0 then
      frees_at = now + 60000
      for _, one in ipairs(seconds) do
        over = over - one[2]
        if over <= 0 then frees_at = (one[1] + 61) * 1000 break end
      end
    end
    return used, windows[limit.at]['held:tokens'], frees_at
  end
  if limit.field ~= 'requests:minute' then
    return windows[limit.at][limit.field], windows[limit.at]['held:' .. limit.resource] or 0, -1
  end
  local count = minute(limit.at)
  if counted == 0 or count < limit.limit then return count, 0, -1 end
  local one = call(
    'ZRANGEBYSCORE', key('m', subjects[limit.at]), since, til, 'WITHSCORES', 'LIMIT', count - limit.limit, 1
  )
  return count, 0, (tonumber(one[2]) or now) + 60000
end

local background = kind == 'task' or kind == 'summary'

-- How many tokens of an answer there is room for; nil when the call does not fit.
local function room(limit, used, held, counted)
  local left, most = limit.limit - used - held, nil
  if limit.resource == 'requests' then return (counted == 0 or left >= 1) and completion or nil end
  if limit.resource == 'calls' then return (background or left >= 1) and completion or nil end
  if limit.resource == 'tokens' then
    most = left - prompt
  elseif prompt * prompt_price + completion * completion_price == 0 then
    most = completion
  else
    local rest = left - prompt * prompt_price
    most = rest < 0 and -1 or completion_price > 0 and math.floor(rest / completion_price) or completion
  end
  return most >= least and math.min(most, completion) or nil
end

local record = record_of(id)
local decided = record ~= nil
for i = 1, n do
  look(i)
  decided = decided and lives[i] and record.lives[subjects[i]] == lives[i]
end

if not decided then
  local missing = {'unloaded'}
  for i = 1, n do
    if lives[i] and (windows[i].day ~= day or total[i] and windows[i].ever == '0'
        or call('ZRANGEBYSCORE', key('h', subjects[i]), '-inf', '(' .. ARGV[1], 'LIMIT', 0, 1)[1]) then
      unload(subjects[i])
      lives[i] = nil
    end
    if not lives[i] then missing[#missing + 1] = subjects[i] end
  end
  if missing[2] then return missing end
  if record then
    -- Only some of the subjects know this hold, or the ledger put it back: it is asked anew.
    undo(id, record, requests, ARGV[15], ARGV[14])
    for i = 1, n do look(i) end
  end

  local turn = turn_key(lives[1], subjects[1], ARGV[6])
  local counted, later = 1, 0
  if ARGV[19] ~= '-1' then
    counted, later = tonumber(ARGV[19]), tonumber(ARGV[20])
  elseif kind == 'repair' or kind == 'fallback' or kind == 'summary' then
    counted = 0
  elseif kind == 'task' then
    if windows[1][ARGV[15]] < tonumber(ARGV[14]) * math.max(1, windows[1][requests[1]]) then counted = 0 end
  else
    local calls = tonumber(call('GET', turn) or '0')
    if calls > 0 and calls < tonumber(ARGV[12]) then counted, later = 0, 1 end
  end

  local answer, largest, full = {'denied', counted}, completion, false
  for _, limit in ipairs(limits) do
    local used, held, frees_at = reading(limit, counted)
    local most = room(limit, used, held, counted)
    if most then largest = math.min(largest, most) else full = true end
    answer[#answer + 1], answer[#answer + 2], answer[#answer + 3] = used, held, frees_at
  end
  if full then return answer end

  local tokens, money = prompt + largest, prompt * prompt_price + largest * completion_price
  local calls = background and 0 or 1
  -- A task that counts as a request uses up the tasks which that request would bring along.
  local tasks = kind ~= 'task' and 0 or counted == 1 and tonumber(ARGV[14]) or 1
  record = {counted = counted, later = later, completion = largest}
  local words = {
    'tokens', string.format('%d', tokens), 'money', string.format('%d', money), 'calls', calls,
    'completion', string.format('%d', largest), 'counted', counted, 'later', later, 'kind', kind,
    'turn', ARGV[6], 'account', subjects[1], 'expires', ARGV[4],
  }
  for i, subject in ipairs(subjects) do
    local own, zset, holds, changed = windows[i], key('m', subject), key('h', subject), {}
    words[#words + 1], words[#words + 2] = '>' .. subject, lives[i]
    local function change(field, amount)
      if amount == 0 then return end
      own[field] = own[field] + amount
      changed[#changed + 1], changed[#changed + 2] = field, string.format('%d', own[field])
    end
    change('held:tokens', tokens)
    change('held:money', money)
    change('held:calls', calls)
    for _, field in ipairs(requests) do change(field, counted) end
    if i == 1 then change(ARGV[15], tasks) end
    if changed[1] then call('HSET', key('s', subject), unpack(changed)) end
    call('ZADD', holds, ARGV[4], id)
    if counted == 1 then
      -- What left the minute is kept for another one: requests of several processes come a little out of order.
      call('ZREMRANGEBYSCORE', zset, '-inf', '(' .. string.format('%d', now - 120000))
      call('ZADD', zset, ARGV[1], id)
      call('PEXPIRE', zset, 121000)
      if minutes[i] then minutes[i] = minutes[i] + 1 end
    end
    call('EXPIRE', key('s', subject), TTL)
    call('EXPIRE', holds, TTL)
  end
  call('HSET', key('hold', id), unpack(words))
  call('EXPIRE', key('hold', id), TTL)
  if kind == 'turn' then
    call('INCR', turn)
    call('EXPIRE', turn, ARGV[13])
  end
end

local counted = tonumber(record.counted)
local answer = {'granted', counted, tonumber(record.later), tonumber(record.completion)}
for number, limit in ipairs(limits) do
  local used, held = reading(limit, 0)
  if limit.limit > 0 and 5 * (used + held) >= 4 * limit.limit then answer[#answer + 1] = number - 1 end
end
return answer
