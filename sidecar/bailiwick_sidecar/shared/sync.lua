-- One replica says what it has used, gives back what it does not need, and asks for more.
--
-- What a replica says replaces what it said before, so that a message which comes twice, late or
-- never changes nothing for good. Amounts are pairs (hi, lo) of whole numbers, hi * 10^12 + lo:
-- Lua's numbers are exact up to 2^53 alone, and money is counted in picounits.
--
-- KEYS  tenant's state, its replicas, then per counter: what was used, what is held
-- ARGV  one string of words (a client packs one argument faster than a thousand): replica, sequence, run id of this server, an epoch for an empty store, ms that a share
--       lasts, ms that a store which lost something waits, ms after which a silent replica is gone,
--       number of counters, number of asks, the newest message that was answered, the replica's
--       namespace where it can rebuild what others used (- where not), then the counters and the
--       asks (see below)
local WORDS = {}
for one in string.gmatch(ARGV[1], '%S+') do WORDS[#WORDS + 1] = one end
local floor = math.floor
local BASE = 1000000000000

local function normal(hi, lo)
  local carry = floor(lo / BASE)
  return hi + carry, lo - carry * BASE
end
local function plus(a, b) return {normal(a[1] + b[1], a[2] + b[2])} end
local function minus(a, b) return {normal(a[1] - b[1], a[2] - b[2])} end
local function more(a, b) return a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]) end
local function positive(a) return a[1] > 0 or (a[1] == 0 and a[2] > 0) end
local function part(a, by)  -- a / by, rounded down; a is not negative, by is small
  local hi = floor(a[1] / by)
  return {normal(hi, floor(((a[1] - hi * by) * BASE + a[2]) / by))}
end
local function text(a) return string.format('%.0f %.0f', a[1], a[2]) end
local function wide(words)
  if not words then return {0, 0} end
  local hi, lo = string.match(words, '^(%S+) (%S+)')
  return {tonumber(hi), tonumber(lo)}
end

local replica, sequence, server = WORDS[1], tonumber(WORDS[2]), WORDS[3]
local hold_ms, grace_ms, gone_ms = tonumber(WORDS[5]), tonumber(WORDS[6]), tonumber(WORDS[7])
local position = 12
local function word()
  position = position + 1
  return WORDS[position - 1]
end
local function number() return tonumber(word()) end
local function pair() return {number(), number()} end

-- Time never runs backwards here, whatever the server's clock does.
local state = redis.call('HMGET', KEYS[1], 'wall', 'shift', 'epoch', 'server', 'wait', 'live',
  'counted', 'loss', 'lost', 'whole:*', 'whole:' .. WORDS[11])
local clock = redis.call('TIME')
local wall = clock[1] * 1000 + floor(clock[2] / 1000)
local newest, shift = tonumber(state[1]) or wall, tonumber(state[2]) or 0
if wall < newest - 1000 then shift = shift + newest - wall elseif wall < newest then wall = newest end
local at = wall + shift

local epoch, wait = state[3], tonumber(state[5]) or 0
local loss, lost = state[8], tonumber(state[9]) or 0
local anew = not loss
if not epoch then epoch, wait, anew = WORDS[4], at + grace_ms, true end
if state[4] ~= server then wait, anew = math.max(wait, at + grace_ms), true end

local before = redis.call('HGET', KEYS[2], replica)
local last = before and tonumber(string.match(before, ' (%S+)$')) or 0
if sequence <= last then return {'stale', string.format('%.0f', last)} end
-- A replica that knows of a later message than this store does: writes were lost.
-- All who notice it notice it of the same loss, as long as they are waited for.
if tonumber(WORDS[10]) > last then
  wait, anew = math.max(wait, at + grace_ms), anew or at >= lost + grace_ms
end
if anew then loss, lost = WORDS[4] .. '.' .. WORDS[1] .. '.' .. WORDS[2], at end
redis.call('HSET', KEYS[2], replica, string.format('%.0f %.0f', at, sequence))

local live, counted = tonumber(state[6]) or 1, tonumber(state[7]) or 0
if at - counted >= 500 or not before then
  live, counted = 0, at
  local all = redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    local seen = tonumber(string.match(all[i + 1], '^(%S+)'))
    if at - seen <= gone_ms then
      live = live + 1
    elseif at - seen > 86400000 then
      redis.call('HDEL', KEYS[2], all[i])
    end
  end
end
redis.call('HSET', KEYS[1], 'wall', string.format('%.0f', wall), 'shift',
  string.format('%.0f', shift), 'epoch', epoch, 'server', server, 'wait',
  string.format('%.0f', wait), 'live', live, 'counted', string.format('%.0f', counted), 'loss', loss,
  'lost', string.format('%.0f', lost))

-- What is missing of those who are gone: nothing, the limits of this replica's namespace, or those
-- of the tenant too. Each loss makes all of it missing again; restore.lua says when it is there.
local missing = 0
if WORDS[11] ~= '-' then
  if state[10] ~= loss then missing = 2 elseif state[11] ~= loss then missing = 1 end
end

-- Per counter: kind (w, c or l), enforced (1 or 0), cap, wanted on top, held from before, length in
-- ms, width in ms or the period, number of reports, the reports (place, used).
local function window(one)
  local key = one.key
  local known = redis.call('HMGET', key, 's', 'f', 'l')
  one.sum = tonumber(known[1]) or 0
  one.first, one.last = tonumber(known[2]), tonumber(known[3])
  local bound = floor((at - one.length) / one.width) - 1  -- buckets up to this one are over
  if one.first and one.first <= bound then
    for bucket = one.first, math.min(bound, one.last) do
      local held = redis.call('HGET', key, bucket)
      if held then
        for _, amount in pairs(cmsgpack.unpack(held)) do one.sum = one.sum - amount end
        redis.call('HDEL', key, bucket)
      end
    end
    one.first = bound + 1
    if one.first > one.last then one.sum, one.first, one.last = 0, nil, nil end
  end
  for _, report in ipairs(one.reports) do
    local bucket, amount = report[1], report[2][1] * BASE + report[2][2]
    if bucket > bound then
      local held = redis.call('HGET', key, bucket)
      local parts = held and cmsgpack.unpack(held) or {}
      local change = amount - (parts[replica] or 0)
      one.sum, one.change = one.sum + change, plus(one.change, {normal(0, change)})
      parts[replica] = amount ~= 0 and amount or nil
      if next(parts) then
        redis.call('HSET', key, bucket, cmsgpack.pack(parts))
      elseif held then
        redis.call('HDEL', key, bucket)
      end
      one.first = math.min(one.first or bucket, bucket)
      one.last = math.max(one.last or bucket, bucket)
    end
  end
  if one.first then
    redis.call('HSET', key, 's', string.format('%.0f', one.sum), 'f',
      string.format('%.0f', one.first), 'l', string.format('%.0f', one.last))
    redis.call('PEXPIRE', key, one.length + 10000)
  else
    redis.call('DEL', key)
  end
  return {normal(0, one.sum)}
end

local function calendar(one)
  local key = one.key
  for _, report in ipairs(one.reports) do
    local period = string.format('%.0f', report[1])
    local mine = period .. ':' .. replica
    local known = redis.call('HMGET', key, period, mine)
    if not known[1] then  -- a period begins: forget those that are long over
      for _, field in ipairs(redis.call('HKEYS', key)) do
        local number = tonumber(string.match(field, '^(%d+)'))
        if number and number < report[1] - 3 then redis.call('HDEL', key, field) end
      end
    end
    local change = minus(report[2], wide(known[2]))
    local sum = plus(wide(known[1]), change)
    one.change = plus(one.change, change)
    redis.call('HSET', key, period, text(sum), mine, text(report[2]))
    redis.call('PEXPIRE', key, one.length)
  end
  return wide(redis.call('HGET', key, string.format('%.0f', one.width)))
end

local function leases(one)
  local key = one.key
  for _, report in ipairs(one.reports) do
    local before = tonumber(string.match(redis.call('HGET', key, replica) or '0', '^(%S+)'))
    one.change = plus(one.change, {normal(0, report[2][2] - before)})
    if report[2][2] > 0 then
      redis.call('HSET', key, replica, string.format('%.0f %.0f', report[2][2], report[1]))
      redis.call('PEXPIRE', key, 86400000)
    else
      redis.call('HDEL', key, replica)
    end
  end
  local sum, all = 0, redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    local number, deadline = string.match(all[i + 1], '^(%S+) (%S+)')
    if tonumber(deadline) <= wall then
      redis.call('HDEL', key, all[i])
    else
      sum = sum + tonumber(number)
    end
  end
  return {0, sum}
end

local USED = {w = window, c = calendar, l = leases}
local counters = {}
for index = 1, tonumber(WORDS[8]) do
  local one = {key = KEYS[1 + 2 * index], holds = KEYS[2 + 2 * index], kind = word(),
    enforced = word() == '1', cap = pair(), wanted = pair(), held = pair(), length = number(),
    width = number(), reports = {}, change = {0, 0}, freed = 0}
  for _ = 1, number() do one.reports[#one.reports + 1] = {number(), pair()} end
  one.total = USED[one.kind](one)
  one.held_by_others, one.mine_until = {0, 0}, 0
  local all = redis.call('HGETALL', one.holds)
  for i = 1, #all, 2 do
    if all[i] == '!' then
      local hungry_until, freed = string.match(all[i + 1], '^(%S+) (%S+)')
      one.hungry_until, one.freed = tonumber(hungry_until), tonumber(freed)
      one.hungry = one.hungry_until > at
    else
      local till = tonumber(string.match(all[i + 1], '(%S+)$'))
      if till <= at then
        redis.call('HDEL', one.holds, all[i])
      elseif all[i] == replica then
        one.mine_until = till
        one.change = minus(one.change, wide(all[i + 1]))
      else
        one.held_by_others = plus(one.held_by_others, wide(all[i + 1]))
      end
    end
  end
  if one.mine_until == 0 then one.held = {0, 0} end  -- it is over: nothing of it is held
  one.change = plus(one.change, one.held)
  if one.hungry and one.change[1] < 0 then one.freed, one.said = at, true end
  one.total = plus(plus(one.total, one.held_by_others), one.held)
  one.start, one.seen = one.held, minus(one.total, one.held)
  counters[index] = one
end

-- When a window has room for what it lacks, if nothing else comes (wall ms).
local function room_at(one, lack)
  if one.kind ~= 'w' or not one.first then return -1 end
  local missing = lack[1] * BASE + lack[2]
  for bucket = one.first, one.last do
    local held = redis.call('HGET', one.key, bucket)
    if held then
      for _, amount in pairs(cmsgpack.unpack(held)) do missing = missing - amount end
      if missing <= 0 then return (bucket + 1) * one.width + one.length - shift end
    end
  end
  return -1
end

-- Since when everybody else has spoken, as far as they may have something to give back.
local function heard_since()
  local oldest, all = at, redis.call('HGETALL', KEYS[2])
  for i = 1, #all, 2 do
    local seen = tonumber(string.match(all[i + 1], '^(%S+)'))
    if all[i] ~= replica and at - seen <= hold_ms and seen < oldest then oldest = seen end
  end
  return oldest
end

-- Per ask: number of counters, then each counter's place and the amount.
local answers, waiting, refused = {}, at < wait or missing > 0, false
for index = 1, tonumber(WORDS[9]) do
  local parts, refusing = {}, {}
  for n = 1, number() do
    local one, amount = counters[number()], pair()
    parts[n] = {one, amount}
    local sum = plus(one.total, amount)
    if one.enforced and positive(amount) and more(sum, one.cap) then
      refusing[#refusing + 1] = {one, minus(sum, one.cap)}
    end
  end
  if waiting then
    answers[index] = 'wait'
  elseif #refusing == 0 then
    for _, found in ipairs(parts) do
      local one, amount = found[1], found[2]
      one.total, one.held = plus(one.total, amount), plus(one.held, amount)
    end
    answers[index] = 'yes'
  else
    local said = {}
    for n, found in ipairs(refusing) do
      local one = found[1]
      one.hungry, one.hungry_until, one.refused, refused = true, at + 2000, true, true
      for place, other in ipairs(counters) do
        if other == one then said[n] = place .. ':' .. string.format('%.0f', room_at(one, found[2])) end
      end
    end
    answers[index] = table.concat(said, ' ')
  end
end

local reply = {'ok', string.format('%.0f', wall), string.format('%.0f', at), epoch,
  string.format('%.0f', last), live, waiting and 1 or 0,
  string.format('%.0f', refused and heard_since() or at), loss, missing}
for _, one in ipairs(counters) do
  local extra = {0, 0}
  if positive(one.wanted) and not waiting and not one.hungry then
    local left = minus(one.cap, one.total)
    if not one.enforced then
      extra = one.wanted
    elseif positive(left) then
      extra = part(left, 2 * (live + 1))
      if more(extra, one.wanted) then extra = one.wanted end
    end
    one.held = plus(one.held, extra)
  end
  if positive(one.held) then
    local till = one.mine_until
    if more(one.held, one.start) then till = at + hold_ms end
    redis.call('HSET', one.holds, replica, text(one.held) .. string.format(' %.0f', till))
  elseif one.mine_until > 0 then
    redis.call('HDEL', one.holds, replica)
  end
  if one.refused or one.said then
    redis.call('HSET', one.holds, '!', string.format('%.0f %.0f', one.hungry_until, one.freed))
  end
  if positive(one.held) or one.refused or one.said then redis.call('PEXPIRE', one.holds, hold_ms + 4000) end
  reply[#reply + 1] = text(one.seen) .. ' ' .. text(extra) .. ' '
    .. (one.hungry and '1' or '0') .. ' '
    .. text(one.held_by_others) .. ' ' .. string.format('%.0f', one.freed)
end
for _, answer in ipairs(answers) do reply[#reply + 1] = answer end
return reply
