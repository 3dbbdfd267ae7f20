-- Undo a reservation whose upstream call was never made. Subjects that are unloaded hear of it.
-- ARGV  1 hold id  2 tasks a request  3 tasks field  4..6 request fields  then subjects
local record = record_of(ARGV[1])
for i = 7, #ARGV do
  if not loaded(ARGV[i]) then unload(ARGV[i]) end
end
if not record then return 0 end
for subject in pairs(record.lives) do
  if not loaded(subject) then unload(subject) end
end
return undo(ARGV[1], record, {ARGV[4], ARGV[5], ARGV[6]}, ARGV[3], ARGV[2]) and 1 or 0
