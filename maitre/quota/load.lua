-- Load an unloaded subject, unless something happened to it since the ledger was read. Only that holds ended is no
-- hindrance, when the ledger was read while they were open: their ends are told here once more.
-- ARGV  1 subject  2 generation  3 day  4 turn ttl s  5 fields n  6 recent n  7 turns n  8 holds n  9 ever
--       then n pairs field, sum; n pairs hold id, time; n pairs turn id, calls;
--       n elevens hold id, tokens, money, calls, completion, counted, later, kind, turn id, account, expires
local subject, life, seen = ARGV[1], ARGV[2], generation(ARGV[1])
if loaded(subject) then return 0 end
local ended = {}
if seen ~= life then
  local diary = call('HGETALL', key('d', subject))
  local known, open = {}, {}
  for i = 1, #diary, 2 do known[diary[i]] = diary[i + 1] end
  if known.last ~= seen or tonumber(known.from) > tonumber(life) then return 0 end
  for at = 10 + 2 * (ARGV[5] + ARGV[6] + ARGV[7]), #ARGV, 11 do open[ARGV[at]] = true end
  for name, words in pairs(known) do
    local id, entry = name:sub(2), name:sub(1, 1) == '>' and cjson.decode(words)
    if entry and tonumber(entry[1]) > tonumber(life) then
      -- One that was not open in the ledger may be in its sums already, or not yet.
      if not open[id] then return 0 end
      ended[id] = entry
    end
  end
end
local windows, minute, holds = key('s', subject), key('m', subject), key('h', subject)
call('DEL', windows, minute, holds, key('u', subject))
call('HSET', windows, 'epoch', epoch, 'life', life, 'day', ARGV[3], 'ever', ARGV[9])
local at = 10
for _ = 1, tonumber(ARGV[5]) do
  if ARGV[at]:sub(1, #SECOND) == SECOND then
    use(subject, ARGV[at]:sub(#SECOND + 1), tonumber(ARGV[at + 1]))
  else
    call('HSET', windows, ARGV[at], ARGV[at + 1])
  end
  at = at + 2
end
for _ = 1, tonumber(ARGV[6]) do call('ZADD', minute, ARGV[at + 1], ARGV[at]) at = at + 2 end
for _ = 1, tonumber(ARGV[7]) do
  call('SET', turn_key(life, subject, ARGV[at]), ARGV[at + 1], 'EX', ARGV[4])
  at = at + 2
end
local NAMES = {'tokens', 'money', 'calls', 'completion', 'counted', 'later', 'kind', 'turn', 'account', 'expires'}
local HELD, held = {'tokens', 'money', 'calls'}, {0, 0, 0}
for _ = 1, tonumber(ARGV[8]) do
  local id = ARGV[at]
  local record = record_of(id)
  if not record then
    record = {lives = {}}
    for i, name in ipairs(NAMES) do
      record[name] = ARGV[at + i]
      call('HSET', key('hold', id), name, ARGV[at + i])
    end
  end
  call('HSET', key('hold', id), '>' .. subject, '')
  call('ZADD', holds, record.expires, id)
  record.lives[subject] = ''
  for i, name in ipairs(HELD) do held[i] = held[i] + record[name] end
  beat(id, record, ARGV[at + 10])
  at = at + 11
end
add(subject, {'held:tokens', 'held:money', 'held:calls'}, held)
for id, entry in pairs(ended) do
  local record = record_of(id)
  if entry[2] == 'release' then
    undo(id, record, {entry[5], entry[6], entry[7]}, entry[4], entry[3])
  else
    local fields, amounts = {}, {}
    for i = 3, #entry, 2 do fields[#fields + 1], amounts[#amounts + 1] = entry[i], tonumber(entry[i + 1]) end
    let_go(subject, id, record, fields, amounts)
    call('DEL', key('hold', id))
  end
end
call('DEL', key('d', subject))
call('EXPIRE', windows, TTL)
call('PEXPIRE', minute, 121000)
call('EXPIRE', holds, TTL)
return 1
