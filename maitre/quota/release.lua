-- Undo a reservation whose upstream call was never made. Subjects that are unloaded hear of it.
-- ARGV  1 hold id  2 tasks a request  3 tasks field  4..6 request fields  then subjects
local record, subjects = record_of(ARGV[1]), {}
for subject in pairs(record and record.lives or {}) do subjects[subject] = true end
for i = 7, #ARGV do subjects[ARGV[i]] = true end
for subject in pairs(subjects) do
  if not loaded(subject) then note(subject, ARGV[1], 'release', {unpack(ARGV, 2, 6)}) end
end
if not record then return 0 end
return undo(ARGV[1], record, {ARGV[4], ARGV[5], ARGV[6]}, ARGV[3], ARGV[2]) and 1 or 0
