-- A subject's generation. Whoever asks begins to load it: from now on its diary tells which holds end meanwhile.
-- ARGV  1 subject
local subject, seen = ARGV[1], generation(ARGV[1])
if not loaded(subject) then
  local diary = key('d', subject)
  if call('HGET', diary, 'last') ~= seen then
    call('DEL', diary)
    call('HSET', diary, 'from', seen, 'last', seen)
  end
  call('PEXPIRE', diary, LOADING)
end
return seen
