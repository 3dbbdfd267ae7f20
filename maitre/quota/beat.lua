-- Let holds live until a moment, at least.
-- ARGV  1 expires  then hold ids
for i = 2, #ARGV do
  local record = record_of(ARGV[i])
  if record then
    if tonumber(ARGV[1]) > tonumber(record.expires) then call('HSET', key('hold', ARGV[i]), 'expires', ARGV[1]) end
    call('EXPIRE', key('hold', ARGV[i]), TTL)
    for subject in pairs(record.lives) do call('ZADD', key('h', subject), 'XX', 'GT', ARGV[1], ARGV[i]) end
  end
end
return 1
