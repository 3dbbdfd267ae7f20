-- One step of a provider's line: enter, look, leave or read. Atomic, and the same when repeated.
-- Bound to maitre/queue/redis_line.py (keys, arguments, answer; it puts epoch.lua before this) and to fair.py (the same
-- rules, explained there).
--
-- KEYS  1 house hash: name, run, born, lost, virtual, clock, slots    2 waiting zset: id by arrival    3 seated zset: id by time, ms
--       4 leases zset: id by expiry, ms    5 tickets hash: id -> JSON [tokens, user, background, ...]
--       6 guests hash: user -> "weight finish start since newest", start "-" without a next turn    7 paces hash
--       8 what epoch.lua knows
-- ARGV  1 step  2 now ms  3 max concurrent  4 max tokens in flight or -1  5 max waiting per user  6 max waiting
--       7 lease ms  8 grace ms  9 lives s  10 the version that the caller knows  11 a name for the line, should it be new
--       look, leave: 12.. ids    enter: 12 id  13 ticket  14 weight  15 arrival or -1  16 seated since or -1
-- Returns enter: {full (1 for this user, 2 for everybody) or not (0), seated since or nil, arrival or nil}
--         leave: {newly seated ids, paces}
--         look, read: {version, paces, and unless the version is the caller's: virtual, clock, born, slots, waiting,
--                      seated, tickets, guests, and to one who only reads: leases}
local HOUSE, WAITING, SEATED, LEASES, TICKETS, GUESTS, PACES, ALL = unpack(KEYS)
local step, now = ARGV[1], tonumber(ARGV[2])
local slots, most_tokens = tonumber(ARGV[3]), tonumber(ARGV[4])
local most_waiting, longest = tonumber(ARGV[5]), tonumber(ARGV[6])
local lease, grace, lives, known = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10]
local FIRST = 12 -- of the step's own arguments
local ROUNDING = 1e-9

-- A line of which a part was evicted, or that an earlier run of the server kept, is begun again: calls may be running
-- that it does not know. So may they where there is none, while the server's memory is younger than the grace.
local sitting, queued = redis.call('ZCARD', SEATED), redis.call('ZCARD', WAITING)
local house = redis.call('HMGET', HOUSE, 'born', 'lost', 'virtual', 'clock', 'name', 'run')
local torn = redis.call('ZCARD', LEASES) ~= sitting + queued or redis.call('HLEN', TICKETS) ~= sitting + queued
  or (queued > 0 and redis.call('HLEN', GUESTS) == 0) or (sitting + queued > 0 and not house[1])
local epoch, run = epoch_at(ALL)
local gone = torn or house[1] and house[6] ~= run
if gone and step == 'read' then
  return {'', redis.call('HGETALL', PACES), '0', '0', '0', '1', {}, {}, {}, {}, {}}
elseif gone then
  redis.call('DEL', HOUSE, WAITING, SEATED, LEASES, TICKETS, GUESTS)
  house = {}
end
local born, lost = tonumber(house[1] or now), house[2] == '1'
if not house[1] then
  local time = redis.call('TIME')
  lost = gone or time[1] * 1000000 + time[2] < tonumber(epoch) + grace * 1000
end
local virtual, clock, name = tonumber(house[3] or 0), tonumber(house[4] or 0), house[5] or ARGV[11]

local function whole(number) return string.format('%.0f', number) end
local function exact(number) return string.format('%.17g', number) end

local function tick()
  clock = math.max(now, clock + 1)
  return clock
end

-- Tickets never change: each is read once.
local tickets = {}
local function ticket(id)
  tickets[id] = tickets[id] or cjson.decode(redis.call('HGET', TICKETS, id))
  return tickets[id]
end

-- The guests are read when first needed, one or all; those that changed are written back at the end.
local guests, complete, changed = {}, false, {}
local function read(user, text)
  local weight, finish, start, since, newest = text:match('^(%S+) (%S+) (%S+) (%S+) (%S+)$')
  guests[user] = {
    weight = tonumber(weight), finish = tonumber(finish), start = tonumber(start),
    since = tonumber(since), newest = tonumber(newest),
  }
end

local function guest_of(user)
  if not guests[user] and not complete then
    local text = redis.call('HGET', GUESTS, user)
    if text then read(user, text) end
  end
  return guests[user]
end

local function everybody()
  if not complete then
    local all = redis.call('HGETALL', GUESTS)
    for i = 1, #all, 2 do
      if not guests[all[i]] then read(all[i], all[i + 1]) end
    end
    complete = true
  end
  return guests
end

local function write_guests()
  for user in pairs(changed) do
    local guest = guests[user]
    if guest then
      local start = guest.start and exact(guest.start) or '-'
      redis.call('HSET', GUESTS, user, table.concat(
        {whole(guest.weight), exact(guest.finish), start, whole(guest.since), whole(guest.newest)}, ' '))
    else
      redis.call('HDEL', GUESTS, user)
    end
  end
end

-- The waiting tickets of each user, first come first, and background work last: read once, then kept.
local lines
local function line_of(user)
  if not lines then
    lines = {}
    local texts = redis.call('HGETALL', TICKETS)
    for i = 1, #texts, 2 do tickets[texts[i]] = tickets[texts[i]] or cjson.decode(texts[i + 1]) end
    local ids = redis.call('ZRANGE', WAITING, 0, -1)
    for _, background in ipairs({false, true}) do
      for i = 1, #ids do
        local one = tickets[ids[i]]
        if one[3] == background then
          lines[one[2]] = lines[one[2]] or {}
          table.insert(lines[one[2]], ids[i])
        end
      end
    end
  end
  return lines[user] or {}
end

local function room(tokens)
  local sitting = redis.call('ZRANGE', SEATED, 0, -1)
  if #sitting >= slots then return false end
  if most_tokens < 0 or #sitting == 0 then return true end
  for i = 1, #sitting do tokens = tokens + ticket(sitting[i])[1] end
  return tokens <= most_tokens
end

-- Both ways: the clock of whoever began the line may be ahead of the caller's.
local function hushed() return lost and math.abs(now - born) < grace end

local function earliest_start()
  local earliest
  for _, guest in pairs(everybody()) do
    if guest.start and (not earliest or guest.start < earliest) then earliest = guest.start end
  end
  return earliest
end

local function next_user()
  local begun = math.max(virtual, earliest_start()) + ROUNDING
  local best, user
  for name, guest in pairs(everybody()) do
    if guest.start and guest.start <= begun then
      local due = guest.start + 1 / guest.weight
      local better = not best or due < best.due
      if best and due == best.due then
        better = guest.since < best.since or (guest.since == best.since and name < user)
      end
      if better then best, user = {due = due, since = guest.since}, name end
    end
  end
  return user
end

local function take_turn(user, more, number)
  local guest = everybody()[user]
  changed[user] = true
  virtual = math.max(virtual, earliest_start())
  guest.finish = guest.start + 1 / guest.weight
  guest.start, guest.since = more and guest.finish or nil, number
  local left = 1
  while true do
    local weights, ends = 0, nil
    for name, one in pairs(guests) do
      if not one.start and one.finish <= virtual then
        guests[name], changed[name] = nil, true
      else
        weights = weights + one.weight
        if not one.start and (not ends or one.finish < ends) then ends = one.finish end
      end
    end
    if weights == 0 then return end
    if not ends or virtual + left / weights <= ends then
      virtual = virtual + left / weights
      return
    end
    left = left - (ends - virtual) * weights
    virtual = ends
  end
end

local newly = {}
local function seat()
  while not hushed() and redis.call('ZCARD', SEATED) < slots and redis.call('ZCARD', WAITING) > 0 do
    local user = next_user()
    local mine = line_of(user)
    if not room(ticket(mine[1])[1]) then return end
    local id = table.remove(mine, 1)
    redis.call('ZREM', WAITING, id)
    redis.call('ZADD', SEATED, whole(now), id)
    take_turn(user, #mine > 0, tick())
    newly[#newly + 1] = id
  end
end

local function leave(id)
  if redis.call('ZREM', LEASES, id) == 0 then return end
  tick()
  if redis.call('ZREM', SEATED, id) == 0 then
    local user = ticket(id)[2]
    local mine = line_of(user)
    for i = #mine, 1, -1 do
      if mine[i] == id then table.remove(mine, i) end
    end
    redis.call('ZREM', WAITING, id)
    if #mine == 0 then guest_of(user).start, changed[user] = nil, true end
  end
  redis.call('HDEL', TICKETS, id)
end

local function renew(first, last)
  local latest = whole(now + lease)
  for i = first, last do redis.call('ZADD', LEASES, 'XX', latest, ARGV[i]) end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '-inf', whole(now))) do leave(id) end
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', LEASES, '(' .. latest, '+inf')) do
    redis.call('ZADD', LEASES, 'XX', latest, id)
  end
end

-- 0, or why it may not: 1 its user waits with as many as one may, 2 so does everybody together.
local function enter(id, text, weight, arrival, since)
  if (arrival >= 0 or since >= 0) and now < born + grace then lost = true end
  local one = cjson.decode(text)
  local user = one[2]
  if since >= 0 then
    redis.call('ZADD', SEATED, whole(since), id)
    tick()
  else
    local queue = redis.call('ZCARD', WAITING)
    local guest = guest_of(user)
    local free = queue == 0 and room(one[1]) and not hushed()
    if arrival < 0 and not free then
      if queue >= longest then return 2 end
      local mine = guest and guest.start and line_of(user) or {} -- whoever has a next turn waits for it
      if #mine >= most_waiting then return 1 end
    end
    lines = nil
    local number = tick()
    local arrived = arrival < 0 and number or arrival
    redis.call('ZADD', WAITING, whole(arrived), id)
    guest = guest or {finish = virtual, since = 0, newest = 0}
    guests[user], changed[user] = guest, true
    guest.weight, guest.newest = weight, math.max(guest.newest, arrived)
    if not guest.start then guest.start, guest.since = math.max(virtual, guest.finish), arrived end
  end
  redis.call('HSET', TICKETS, id, text)
  redis.call('ZADD', LEASES, whole(now + lease), id)
  return 0
end

local full = 0
if step == 'enter' then
  local there = redis.call('ZSCORE', LEASES, ARGV[FIRST])
  renew(FIRST, FIRST)
  seat()
  if not there then
    full = enter(ARGV[FIRST], ARGV[13], tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16]))
    if full == 0 then seat() end
  end
elseif step == 'look' then
  renew(FIRST, #ARGV)
  seat()
elseif step == 'leave' then
  leave(ARGV[FIRST])
  renew(1, 0)
  seat()
end

if step ~= 'read' then
  write_guests()
  redis.call('HSET', HOUSE, 'name', name, 'run', run, 'born', whole(born), 'lost', lost and '1' or '0', 'virtual', exact(virtual),
    'clock', whole(clock), 'slots', whole(slots))
  for i = 1, 6 do redis.call('EXPIRE', KEYS[i], lives) end
end

if step == 'enter' then
  return {full, redis.call('ZSCORE', SEATED, ARGV[FIRST]), redis.call('ZSCORE', WAITING, ARGV[FIRST])}
end
local paces = redis.call('HGETALL', PACES)
if step == 'leave' then return {newly, paces} end
local version = name .. ':' .. whole(clock)
local answer = {version, paces}
if version ~= known then
  local all = {
    exact(virtual), whole(clock), whole(born), redis.call('HGET', HOUSE, 'slots') or '1',
    redis.call('ZRANGE', WAITING, 0, -1, 'WITHSCORES'), redis.call('ZRANGE', SEATED, 0, -1, 'WITHSCORES'),
    redis.call('HGETALL', TICKETS), redis.call('HGETALL', GUESTS),
  }
  if step == 'read' then all[#all + 1] = redis.call('ZRANGE', LEASES, 0, -1, 'WITHSCORES') end
  for i = 1, #all do answer[#answer + 1] = all[i] end
end
return answer
