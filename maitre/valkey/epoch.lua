-- When everything that this Valkey holds began: a generation, which is a time of the server's, in microseconds. Whatever
-- was noted in an earlier one may be old or gone, and is not believed.
--
-- ALL  hash    epoch, and by what a restart is noticed: saved (LASTSAVE) and run (the server's id of this run)

-- A generation later than this one: the time, so that one which got lost never comes again.
local function generation_after(old)
  local time = redis.call('TIME')
  return string.format('%d', math.max(time[1] * 1000000 + time[2], (tonumber(old) or 0) + 1))
end

-- The epoch, and the run. A Valkey that was started anew may have an old state from its disk. A start sets LASTSAVE to
-- its second, so the dearer INFO is needed only after a start or a save, and until no other start can be of that second
-- (which the server takes from a coarser clock than TIME).
local function epoch_at(all)
  local saved, known = redis.call('LASTSAVE'), redis.call('HMGET', all, 'epoch', 'saved', 'run')
  local epoch, run = known[1], known[3]
  if not epoch or tonumber(known[2]) ~= saved then
    run = redis.call('INFO', 'server'):match('run_id:(%x+)')
    if run ~= known[3] then epoch = generation_after(epoch) end
    if tonumber(redis.call('TIME')[1]) < saved + 2 then saved = -1 end
    redis.call('HSET', all, 'epoch', epoch, 'saved', saved, 'run', run)
  end
  return epoch, run
end
