-- What a loaded subject has used and holds, or nothing when a hold of it has expired.
-- ARGV  1 subject  2 now
-- Returns {the minute's count, its oldest time or -1, its tokens, their oldest second or -1, then pairs: field, amount}
local subject, now = ARGV[1], tonumber(ARGV[2])
if not loaded(subject) then return false end
if call('ZRANGEBYSCORE', key('h', subject), '-inf', '(' .. ARGV[2], 'LIMIT', 0, 1)[1] then return false end
local since, til = string.format('%d', now - 60000), string.format('%d', now + 60000)
local minute = key('m', subject)
local oldest = call('ZRANGEBYSCORE', minute, since, til, 'WITHSCORES', 'LIMIT', 0, 1)[2]
local seconds, tokens = used_in_minute(subject, now)
local answer = {call('ZCOUNT', minute, since, til), tonumber(oldest or '-1'), tokens, seconds[1] and seconds[1][1] or -1}
for _, word in ipairs(call('HGETALL', key('s', subject))) do answer[#answer + 1] = word end
return answer
