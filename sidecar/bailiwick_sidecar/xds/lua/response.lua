-- The response's way: hides what is the provider's own, and finds usage while the answer streams by.
local find, gmatch, sub, byte, lower, concat = string.find, string.gmatch, string.sub, string.byte, string.lower, table.concat

local WHOLE_LIMIT = 4 * 1024 * 1024
local TAIL = 64 * 1024
local CARRY_LIMIT = 1024 * 1024
local USAGE_LIMIT = 2048
local KEPT_LIMIT = 1024 * 1024

-- What a caller may see of the provider's headers.
local SHOWN = {
  ["content-type"] = true, ["content-length"] = true, ["content-encoding"] = true,
  ["transfer-encoding"] = true, date = true, ["cache-control"] = true, ["retry-after"] = true,
}

-- Handles die whenever the script waits, so they are fetched anew each time.
local function set(h, key, value)
  h:streamInfo():dynamicMetadata():set("bailiwick", key, value)
end

-- The usage object with the answer's service tier as its first member, where that is a name and fits.
local function with_tier(usage, tier)
  if not tier or byte(tier, 1) ~= 34 or find(usage, "^{%s*}") then return usage end
  local both = '{"service_tier":' .. tier .. "," .. sub(usage, 2)
  return #both <= USAGE_LIMIT and both or usage
end

local function note(h, found, text, tiers)
  local usage = json.raw(text, found.usage)
  if usage and byte(usage, 1) == 123 and #usage <= USAGE_LIMIT then
    set(h, "u", tiers and with_tier(usage, json.raw(text, found.service_tier)) or usage)
  else
    usage = nil
  end
  local model = json.raw(text, found.model)
  if model and #model <= 256 then set(h, "m", model) end
  return usage
end

-- Usage in the end of an answer too large to hold; `inside`: of an object within its last member.
local function last_usage(h, text, inside, tiers)
  local i = find(text, '"usage"', 1, true)
  while i do
    local rest = sub(text, i)
    local found = json.tail(rest, inside)
    if found and note(h, found, rest, tiers) then return end
    i = find(text, '"usage"', i + 1, true)
  end
end

-- Has the agent keep the whole answer of a call with a key. What of it Envoy holds at this moment
-- goes to the caller afterwards: who has it all can have it again.
local function keep(h, keyed, text)
  answers.ask(h, {
    [":path"] = "/answer", ["content-type"] = keyed.media, ["x-bw-id"] = keyed.id, ["x-bw-status"] = keyed.status,
  }, text)
end

-- A JSON answer, usage anywhere in it; of one over 4 MiB only what stands near the end is read.
local function unary(h, keyed, tiers)
  local pieces, size, whole = {}, 0, true
  for chunk in h:bodyChunks() do
    local n = chunk:length()
    if n > 0 then
      pieces[#pieces + 1] = chunk:getBytes(0, n)
      size = size + n
      if size > WHOLE_LIMIT or (not whole and size > 2 * TAIL) then
        pieces = { sub(concat(pieces), -TAIL) }
        size, whole = #pieces[1], false
      end
      -- The caller takes these bytes for the last; Envoy learns that only by an empty chunk.
      if keyed and size == keyed.length then
        keep(h, keyed, concat(pieces))
        keyed = nil
      end
    end
  end
  local text = concat(pieces)
  if whole then
    local found = json.scan(text)
    if found then note(h, found, text, tiers) end
    if keyed and #text <= KEPT_LIMIT then keep(h, keyed, text) end
  else
    last_usage(h, text, false, tiers)
  end
end

-- Index of the last line end in s; 0 for none.
local function last_line_end(s)
  for i = #s, 1, -1 do
    local c = byte(s, i)
    if c == 10 or c == 13 then return i end
  end
  return 0
end

-- As note, of an event of a response: the object that it reports on has both.
local function note_response(h, found, text, tiers)
  local report = json.raw(text, found.response)
  if not report or byte(report, 1) ~= 123 then return note(h, found, text, tiers) end
  local inner = json.scan(report)
  return inner and note(h, inner, report, tiers)
end

-- Whether the event in s from i to e holds a usage object, where the first "usage" stands at u; the
-- second value says that it holds nothing else for the caller.
local function usage_in(lines, s, i, e, u)
  repeat
    if not find(s, '^"usage"[ \t]*:[ \t]*null', u) then
      local payload = sub(s, i, e)
      local found = json.scan(payload)
      if not found or not (lines.nested and note_response or note)(lines.h, found, payload, lines.tiers) then return false end
      local choices = json.raw(payload, found.choices)
      return true, choices and find(choices, "^%[%s*%]$") ~= nil
    end
    u = find(s, '"usage"', u + 7, true)
  until not u or u > e
  return false
end

-- The end of a stream that is cut: as the provider would have ended it, had it kept to its cap.
local function last_words(payload)
  local found, parts = json.scan(payload), {}
  for _, name in ipairs({ "id", "object", "created", "model" }) do
    local raw = found and json.raw(payload, found[name])
    if raw then parts[#parts + 1] = '"' .. name .. '":' .. raw .. "," end
  end
  local content = found and find(json.raw(payload, found.object) or "", "chunk", 1, true) and '"delta":{}' or '"text":""'
  return "data: {" .. concat(parts) .. '"choices":[{"index":0,' .. content
    .. ',"logprobs":null,"finish_reason":"length"}]}\n\ndata: [DONE]\n\n'
end

-- The response that an event reports on, as raw bytes; nil where it is none.
local function reported(payload)
  local found = json.scan(payload)
  local report = found and json.raw(payload, found.response)
  return report and byte(report, 1) == 123 and report or nil
end

-- As last_words, of a response: its first report again, now as one that met its cap. The event's
-- name may stand before it already, with that of the event in whose place it comes: the last holds.
local function last_report(payload, begun)
  local found = json.scan(payload)
  local number = found and json.raw(payload, found.sequence_number) or "0"
  local report, edits, missing = begun or '{"object":"response"}', {}, ""
  local inner = json.scan(report)
  for _, one in ipairs({ { "status", '"incomplete"' }, { "incomplete_details", '{"reason":"max_output_tokens"}' } }) do
    local member = inner[one[1]]
    if member then
      splices.add(edits, member[3], member[4], one[2])
    else
      missing = missing .. '"' .. one[1] .. '":' .. one[2] .. ","
    end
  end
  if missing ~= "" then splices.add(edits, 2, 1, missing) end
  return 'event: response.incomplete\ndata: {"type":"response.incomplete","sequence_number":' .. number
    .. ',"response":' .. splices.apply(report, edits) .. "}\n\n"
end

local Lines = {}
Lines.__index = Lines

-- Reads whole lines; returns what of them goes to the caller.
function Lines:read(s)
  local hide, has_cr = self.hide, find(s, "\r", 1, true)
  local u = find(s, '"usage"', 1, true)
  -- Of a response's events only these have content: "type":"response.output_text.delta" and its like.
  local d = self.nested and find(s, '.delta"', 1, true)
  local kept, ending, from, i = nil, nil, 1, find(s, "data:", 1, true)
  while i do
    local before = i > 1 and byte(s, i - 1) or 10
    local e = find(s, "\n", i, true) or #s + 1
    if has_cr then
      local cr = find(s, "\r", i, true)
      if cr and cr < e then e = cr end
    end
    if before == 10 or before == 13 then
      while u and u < i do u = find(s, '"usage"', u + 7, true) end
      local seen, alone = false, false
      if u and u < e then seen, alone = usage_in(self, s, i + 5, e - 1, u) end
      if self.nested and self.cut and not self.begun then self.begun = reported(sub(s, i + 5, e - 1)) end
      while d and d < i do d = find(s, '.delta"', d + 7, true) end
      if seen and alone then
        if hide then
          kept = kept or {}
          kept[#kept + 1] = sub(s, from, i - 1)
          -- With its line end and the blank line behind it; one that comes later does no harm.
          from = (find(s, "^\r\n\r?\n?", e) and select(2, find(s, "^\r\n\r?\n?", e)))
            or (find(s, "^\n\n?", e) and select(2, find(s, "^\n\n?", e)))
            or (find(s, "^\r\r?", e) and select(2, find(s, "^\r\r?", e))) or e
          from = from + 1
        end
      elseif not find(s, "^ ?%[DONE%]", i + 5) and not (self.nested and not (d and d < e)) then
        self.events = self.events + 1
        self.bytes = self.bytes + e - i
        if self.cut and self.events > self.cut and not self.ended then
          self.ended = true
          kept = kept or {}
          local payload = sub(s, i + 5, e - 1)
          local words = self.nested and last_report(payload, self.begun) or last_words(payload)
          kept[#kept + 1] = sub(s, from, i - 1) .. words
          ending = concat(kept)
        end
      end
    end
    i = find(s, "data:", e, true)
  end
  -- Past the cut nothing goes to the caller any more; it is read all the same.
  if self.ended then return ending or "" end
  if not kept then return s end
  kept[#kept + 1] = sub(s, from)
  return concat(kept)
end

-- Takes the next bytes; returns what may go to the caller by now: whole lines, and what stands of a
-- line too long to hold. Only a line's beginning is held.
function Lines:feed(text)
  local unread = ""
  if self.skipping then
    -- Up to the giant line's own end; what follows in the same chunk is read as ever.
    local e = find(text, "[\r\n]")
    if self.nested then self.tail = sub(self.tail .. sub(text, 1, e and e - 1), -TAIL) end
    if not e then return self.ended and "" or text end
    if self.nested then last_usage(self.h, self.tail, true, self.tiers) end
    unread, text, self.skipping = sub(text, 1, e), sub(text, e + 1), false
  end
  local cut = last_line_end(text)
  if cut == 0 then
    self.carry[#self.carry + 1] = text
    self.carried = self.carried + #text
    if self.carried <= CARRY_LIMIT then return unread end
    local held = concat(self.carry)
    self.tail = sub(held, -TAIL)
    held = sub(held, self.shown + 1)
    self.carry, self.carried, self.skipping, self.shown = {}, 0, true, 0
    return self.ended and "" or unread .. held
  end
  local whole = cut == #text and text or sub(text, 1, cut)
  if self.carried > 0 then
    self.carry[#self.carry + 1] = whole
    whole = concat(self.carry)
  end
  self.carried = #text - cut
  self.carry = self.carried > 0 and { sub(text, cut + 1) } or {}
  local passed
  if self.shown == 0 then
    passed = self:read(whole)
  else
    self.hide = false
    passed = sub(self:read(whole), self.shown + 1)
    self.hide, self.shown = true, 0
  end
  return unread == "" and passed or unread .. passed
end

-- What is held of a line, for the caller: an empty chunk is mostly the end, and a last line may lack
-- its own. It is still read as a whole should more of it come.
function Lines:flush()
  local held = concat(self.carry)
  local passed = sub(held, self.shown + 1)
  self.carry, self.shown = { held }, #held
  return self.ended and "" or passed
end

local function count(h, lines)
  local metadata = h:streamInfo():dynamicMetadata()
  metadata:set("bailiwick", "ev", lines.events)
  metadata:set("bailiwick", "eb", lines.bytes)
end

-- A stream of events (WHATWG server-sent events), read line by line.
local function stream(h, hide, nested, cut, tiers)
  local lines = setmetatable({
    h = h, hide = hide, cut = cut, nested = nested, tiers = tiers, events = 0, bytes = 0, carry = {}, carried = 0, skipping = false, shown = 0, tail = "",
  }, Lines)
  for chunk in h:bodyChunks() do
    local n = chunk:length()
    if n > 0 then
      local text = chunk:getBytes(0, n)
      local passed = lines:feed(text)
      if (hide or cut) and passed ~= text then chunk:setBytes(passed) end
      count(h, lines)
    elseif (hide or cut) and lines.carried > 0 then
      chunk:setBytes(lines:flush())
    end
  end
  if lines.carried > 0 then lines:read(concat(lines.carry)) end
  count(h, lines)
end

-- Statuses that speak of the gateway's relation to the provider: a caller would take 401 for his own
-- token's fault, follow a redirect with it, or learn a part of the key from the text.
local function hidden(status)
  return status == "401" or status == "403" or status == "407" or sub(status, 1, 1) == "3"
end

local function conceal(h, headers, status)
  local text = answers.body("api_error", "upstream_error",
    "The model's provider did not accept the gateway's request (status " .. status .. ").")
  headers:replace(":status", "502")
  headers:replace("content-type", "application/json")
  headers:remove("content-encoding")
  h:body(true):setBytes(text)
end

local function on_response(h)
  local mine = h:streamInfo():dynamicMetadata():get("bailiwick")
  local headers = h:headers()
  if not mine or not mine.o then
    headers:remove("x-bw-agent")
    return
  end
  if mine.own then return end
  only(headers, SHOWN)
  for name, value in gmatch(mine.caller or "", "([^\n]+)\n([^\n]*)\n") do headers:replace(name, value) end
  local status = headers:get(":status")
  if hidden(status) then return conceal(h, headers, status) end
  local media = lower(headers:get("content-type") or "")
  local encoding = headers:get("content-encoding")
  if sub(status, 1, 1) ~= "2" or (encoding and lower(encoding) ~= "identity") then
    for _ in h:bodyChunks() do end
  elseif sub(media, 1, 17) == "text/event-stream" then
    local hide = mine.o == "hide"
    local cut = tonumber(mine.cut or "")
    if hide or cut then headers:remove("content-length") end
    stream(h, hide, mine.o == "response", cut, mine.tiers)
  else
    local keyed = mine.key and {
      id = mine.key, status = status, media = headers:get("content-type") or "",
      length = tonumber(headers:get("content-length") or ""),
    }
    if keyed and (keyed.length or 0) > KEPT_LIMIT then keyed = nil end
    unary(h, keyed, mine.tiers)
  end
  set(h, "done", 1)
end

function envoy_on_response(h)
  answers.guard(h, on_response)
end
