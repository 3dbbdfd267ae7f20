-- Let holds live until a moment, at least.
-- ARGV  1 expires  then hold ids
for i = 2, #ARGV do
  local record = record_of(ARGV[i])
  if record then beat(ARGV[i], record, ARGV[1]) end
end
return 1
