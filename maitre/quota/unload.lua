-- Forget subjects, or all; how many of those named were loaded.
-- ARGV  subjects, none for all
if #ARGV == 0 then
  call('HSET', base .. ':all', 'epoch', generation_after(epoch))
  return 0
end
local count = 0
for _, subject in ipairs(ARGV) do
  if unload(subject) then count = count + 1 end
end
return count
