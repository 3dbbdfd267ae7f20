-- Whether all of these subjects are loaded, and know a hold from the lives in which it was taken.
-- ARGV  1 hold id, then subjects
local words = {}
for i = 2, #ARGV do words[i - 1] = '>' .. ARGV[i] end
local lives = call('HMGET', key('hold', ARGV[1]), unpack(words))
for i, life in ipairs(lives) do
  if not life or loaded(ARGV[i + 1]) ~= life then return 0 end
end
return 1
