-- Replace a hold by what was used, in all its subjects. Of a subject that does not know the hold, the ledger decides.
-- ARGV  1 hold id  2 subjects n, then n subjects, then pairs: field, amount
local id, n = ARGV[1], tonumber(ARGV[2])
local record = record_of(id)
local subjects, done = record and record.lives or {}, 0
for i = 3, 2 + n do subjects[ARGV[i]] = subjects[ARGV[i]] or '' end
local fields, amounts = {}, {}
for i = 3 + n, #ARGV, 2 do fields[#fields + 1], amounts[#amounts + 1] = ARGV[i], tonumber(ARGV[i + 1]) end
for subject in pairs(subjects) do
  if record and let_go(subject, id, record, fields, amounts) then
    done = 1
    call('EXPIRE', key('s', subject), TTL)
    call('EXPIRE', key('h', subject), TTL)
  elseif loaded(subject) then
    unload(subject)
  else
    note(subject, id, 'settle', {unpack(ARGV, 3 + n)})
  end
end
call('DEL', key('hold', id))
return done
