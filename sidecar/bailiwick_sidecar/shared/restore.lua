-- What a ledger has of gateways that may be gone is put where they said it themselves before the
-- store lost it. Nothing is added up here: an amount takes the place of a smaller one, so that
-- whoever does this, and however often, it is done once.
--
-- Amounts are pairs (hi, lo), as in sync.lua.
--
-- KEYS  tenant's state, its replicas, then the counters
-- ARGV  one string of words: the loss that is made good, what is whole afterwards (a namespace, or -
--       where more follows), 1 where the tenant's limits are whole too, number of amounts; then of
--       each: its counter's place, period, gateway, amount (hi, lo), ms for which it is kept
local WORDS = {}
for one in string.gmatch(ARGV[1], '%S+') do WORDS[#WORDS + 1] = one end
local BASE = 1000000000000

local function wide(words)
  if not words then return 0, 0 end
  local hi, lo = string.match(words, '^(%S+) (%S+)')
  return tonumber(hi), tonumber(lo)
end
local function text(hi, lo)
  local carry = math.floor(lo / BASE)
  return string.format('%.0f %.0f', hi + carry, lo - carry * BASE)
end

local state = redis.call('HMGET', KEYS[1], 'loss', 'lost')
if state[1] ~= WORDS[1] then return {'other', 0} end
local lost = tonumber(state[2])

-- Who has spoken since says himself what he used, and knows better.
local speaks = {}
local replicas = redis.call('HGETALL', KEYS[2])
for i = 1, #replicas, 2 do
  speaks[replicas[i]] = tonumber(string.match(replicas[i + 1], '^(%S+)')) >= lost
end

local raised = 0
for n = 0, tonumber(WORDS[4]) - 1 do
  local at = 5 + 6 * n
  local key, period, gateway = KEYS[2 + tonumber(WORDS[at])], WORDS[at + 1], WORDS[at + 2]
  local hi, lo = tonumber(WORDS[at + 3]), tonumber(WORDS[at + 4])
  if not speaks[gateway] then
    local theirs = period .. ':' .. gateway
    local known = redis.call('HMGET', key, period, theirs)
    local had_hi, had_lo = wide(known[2])
    if hi > had_hi or (hi == had_hi and lo > had_lo) then
      local sum_hi, sum_lo = wide(known[1])
      redis.call('HSET', key, period, text(sum_hi + hi - had_hi, sum_lo + lo - had_lo), theirs,
        text(hi, lo))
      redis.call('PEXPIRE', key, WORDS[at + 5])
      raised = raised + 1
    end
  end
end
if WORDS[2] ~= '-' then
  redis.call('HSET', KEYS[1], 'whole:' .. WORDS[2], WORDS[1])
  if WORDS[3] == '1' then redis.call('HSET', KEYS[1], 'whole:*', WORDS[1]) end
end
return {'ok', raised}
