-- Load an unloaded subject, unless something happened to it since the ledger was read.
-- ARGV  1 subject  2 generation  3 day  4 turn ttl s  5 fields n  6 recent n  7 turns n  8 holds n
--       then n pairs field, sum; n pairs hold id, time; n pairs turn id, calls;
--       n elevens hold id, tokens, money, calls, completion, counted, later, kind, turn id, account, expires
local subject, life = ARGV[1], ARGV[2]
if loaded(subject) or generation(subject) ~= life then return 0 end
local windows, minute, holds = key('s', subject), key('m', subject), key('h', subject)
call('DEL', windows, minute, holds)
call('HSET', windows, 'epoch', epoch, 'life', life, 'day', ARGV[3])
local at = 9
for _ = 1, tonumber(ARGV[5]) do call('HSET', windows, ARGV[at], ARGV[at + 1]) at = at + 2 end
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
call('EXPIRE', windows, TTL)
call('PEXPIRE', minute, 121000)
call('EXPIRE', holds, TTL)
return 1
