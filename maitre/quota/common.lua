-- What all scripts of the live windows share; redis_store.py puts it before each of them, after epoch.lua.
--
-- KEYS[1] is the beginning of every key, with the hash tag that keeps them together: a script finds the subjects of a
-- hold by itself. Times are in milliseconds of the callers' clocks, but for generations. Numbers are doubles here:
-- exact up to 2^53, so limits are at most 9e15.
--
--   BASE:all              hash    epoch (the generation of everything), and by what a restart is noticed
--   BASE:s:SUBJECT        hash    epoch, life, day, ever (0: loaded without totals); the counters; held:tokens, held:money, held:calls
--   BASE:u:SUBJECT        hash    the tokens used, by the second in which their call began
--   BASE:m:SUBJECT        zset    the counted requests of the last minute: hold id -> time
--   BASE:h:SUBJECT        zset    the live holds: hold id -> expiry
--   BASE:g:SUBJECT        string  when something last happened to the unloaded subject, in microseconds
--   BASE:d:SUBJECT        hash    the diary of a subject that is being loaded: the generations from and last, and by
--                                 '>ID' which holds ended between them: generation, how, and what it was told with
--   BASE:hold:ID          hash    a hold: tokens, money, calls, completion, counted, later, kind, turn, account, expires,
--                                 and by '>SUBJECT' the life of it that this store decided in, '' where the ledger did
--   BASE:t:LIFE:ACCOUNT:TURN  string  how many calls a turn has made
local base, call = KEYS[1], redis.call
local LOADING = 10000 -- milliseconds; a load that takes longer is not believed when something ended meanwhile
local TTL = 172800 -- seconds; what nobody used for so long leaves the store, the ledger still has it

local SECOND = 'tokens:second:' -- see window.py

local function key(kind, name) return base .. ':' .. kind .. ':' .. name end
local function turn_key(life, account, turn) return key('t', life .. ':' .. account .. ':' .. turn) end

local epoch = epoch_at(base .. ':all')

local function generation(subject)
  local own = call('GET', key('g', subject))
  return own and tonumber(own) > tonumber(epoch) and own or epoch
end

-- The life and the day of a loaded subject: nil when it is not loaded.
local function loaded(subject)
  local found = call('HMGET', key('s', subject), 'epoch', 'life', 'day')
  if found[1] == epoch then return found[2], found[3] end
end

local function unload(subject)
  local known = loaded(subject)
  call('DEL', key('s', subject), key('m', subject), key('h', subject), key('d', subject), key('u', subject))
  call('SET', key('g', subject), generation_after(generation(subject)), 'EX', TTL)
  return known ~= nil
end

-- Tell an unloaded subject that a hold of it has ended. Whoever loads it meanwhile catches up by the diary; without
-- one, or when a hold ends twice, no load that has begun is believed.
local function note(subject, id, how, words)
  local diary, last = key('d', subject), generation(subject)
  if call('HGET', diary, 'last') ~= last or call('HEXISTS', diary, '>' .. id) == 1 then return unload(subject) end
  local now = generation_after(last)
  call('SET', key('g', subject), now, 'EX', TTL)
  call('HSET', diary, 'last', now, '>' .. id, cjson.encode({now, how, unpack(words)}))
end

-- The record of a hold: its fields, and `lives` by subject.
local function record_of(id)
  local flat = call('HGETALL', key('hold', id))
  if #flat == 0 then return nil end
  local record = {lives = {}}
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    if name:sub(1, 1) == '>' then record.lives[name:sub(2)] = value else record[name] = value end
  end
  return record
end

-- Let a hold live until a moment, at least: in its record, and in every subject that knows it.
local function beat(id, record, expires)
  if tonumber(expires) > tonumber(record.expires) then call('HSET', key('hold', id), 'expires', expires) end
  call('EXPIRE', key('hold', id), TTL)
  for subject in pairs(record.lives) do call('ZADD', key('h', subject), 'XX', 'GT', expires, id) end
end

-- Add tokens that a call used which began in that second. What is older than two minutes goes when there is much.
local function use(subject, second, amount)
  local seconds, old, newest = key('u', subject), {}, 0
  call('HINCRBY', seconds, second, string.format('%d', amount))
  call('PEXPIRE', seconds, 181000)
  if call('HLEN', seconds) <= 256 then return end
  local known = call('HKEYS', seconds)
  for _, one in ipairs(known) do newest = math.max(newest, tonumber(one)) end
  for _, one in ipairs(known) do
    if tonumber(one) < newest - 120 then old[#old + 1] = one end
  end
  call('HDEL', seconds, unpack(old))
end

-- The seconds of the last minute (and the next one) as pairs of second and tokens, in order, and the sum.
local function used_in_minute(subject, now)
  local first, found, sum = math.floor((now - 60000) / 1000), {}, 0
  local flat = call('HGETALL', key('u', subject))
  for i = 1, #flat, 2 do
    local second, tokens = tonumber(flat[i]), tonumber(flat[i + 1])
    if second >= first and second <= first + 120 and tokens ~= 0 then
      found[#found + 1] = {second, tokens}
      sum = sum + tokens
    end
  end
  table.sort(found, function(one, other) return one[1] < other[1] end)
  return found, sum
end

-- Add amounts to fields of a subject's windows: both lists in the same order.
local function add(subject, every, amounts)
  local windows, words, fields, by = key('s', subject), {}, {}, {}
  for i, field in ipairs(every) do
    if field:sub(1, #SECOND) ~= SECOND then
      fields[#fields + 1], by[#by + 1] = field, amounts[i]
    elseif tonumber(amounts[i]) ~= 0 then
      use(subject, field:sub(#SECOND + 1), tonumber(amounts[i]))
    end
  end
  for i, old in ipairs(call('HMGET', windows, unpack(fields))) do
    words[#words + 1] = fields[i]
    words[#words + 1] = string.format('%d', (tonumber(old or '0')) + by[i])
  end
  call('HSET', windows, unpack(words))
end

-- Let go of a hold, and add amounts; whether the subject knew the hold.
local function let_go(subject, id, record, fields, amounts)
  if not loaded(subject) or call('ZREM', key('h', subject), id) == 0 then return false end
  local all, by = {'held:tokens', 'held:money', 'held:calls'}, {-record.tokens, -record.money, -record.calls}
  for i, field in ipairs(fields) do all[3 + i], by[3 + i] = field, amounts[i] end
  add(subject, all, by)
  return true
end

-- Undo a reservation in all its subjects; whether one of them knew it. `requests` are the counters of requests.
local function undo(id, record, requests, tasks, tasks_per_request)
  local done, counted = false, tonumber(record.counted)
  for subject in pairs(record.lives) do
    local fields, amounts, own = {}, {}, subject == record.account
    for i, field in ipairs(requests) do fields[i], amounts[i] = field, -counted end
    if own and record.kind == 'task' then
      fields[#fields + 1], amounts[#fields + 1] = tasks, counted == 1 and -tonumber(tasks_per_request) or -1
    end
    if let_go(subject, id, record, fields, amounts) then
      done = true
      if counted == 1 then call('ZREM', key('m', subject), id) end
      if own and (record.kind == 'turn' or record.kind == 'tool') then
        local turn = turn_key(loaded(subject), subject, record.turn)
        if tonumber(call('GET', turn) or '0') > 0 then call('DECR', turn) end
      end
    end
  end
  call('DEL', key('hold', id))
  return done
end
