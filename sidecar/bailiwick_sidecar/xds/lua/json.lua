-- Strict JSON (RFC 8259), read without building values: `scan` checks a whole document and says
-- where each top-level member stands, so that callers can splice bytes and leave the rest alone.
--
-- Refused beyond the grammar, because parsers disagree about them: duplicate top-level members
-- (also when escaped, or differing in case alone), lone surrogates, numbers beyond a double,
-- nesting over 64, a byte order mark, invalid UTF-8.
--
-- Loops over bytes are compiled by LuaJIT (1 ns a byte, 0.3 where words are looked at); patterns
-- with character classes are interpreted (8 ns a byte).
local json = {}

local byte, char, find, gsub, lower, sub = string.byte, string.char, string.find, string.gsub, string.lower, string.sub
local floor, huge = math.floor, math.huge
local concat = table.concat
local band, bnot, bor, bxor, tobit = bit.band, bit.bnot, bit.bor, bit.bxor, bit.tobit
local rshift, tohex = bit.rshift, bit.tohex

local ffi = require("ffi")
local cast = ffi.cast
local chars, bytes, words = ffi.typeof("const char *"), ffi.typeof("const uint8_t *"), ffi.typeof("const int32_t *")
local longs = ffi.typeof("const uint64_t *")

local MAX_DEPTH = 64

-- How many plain bytes in a row make it likely that many follow.
local RUN = 12

-- Errors are tables, so that they can't be taken for a fault of the script.
local function refuse(what, i)
  error({ json = what .. " at byte " .. i })
end

local function space_end(s, i)
  local c = byte(s, i)
  while c == 32 or c == 10 or c == 13 or c == 9 do
    i = i + 1
    c = byte(s, i)
  end
  return i, c
end

-- Index behind the UTF-8 sequence (RFC 3629) whose first byte c stands at i.
local function rune_end(s, i, c)
  local b2, b3, b4 = byte(s, i + 1, i + 3)
  local n
  if c >= 0xC2 and c <= 0xDF then
    n = 2
  elseif c >= 0xE0 and c <= 0xEF then
    n = 3
    if b2 and ((c == 0xE0 and b2 < 0xA0) or (c == 0xED and b2 > 0x9F)) then n = nil end
  elseif c >= 0xF0 and c <= 0xF4 then
    n = 4
    if b2 and ((c == 0xF0 and b2 < 0x90) or (c == 0xF4 and b2 > 0x8F)) then n = nil end
  end
  if not n or not b2 or b2 < 0x80 or b2 > 0xBF
    or (n > 2 and (not b3 or b3 < 0x80 or b3 > 0xBF))
    or (n > 3 and (not b4 or b4 < 0x80 or b4 > 0xBF)) then
    refuse("invalid UTF-8", i)
  end
  return i + n
end

local function hex4(s, i)
  local digits = sub(s, i, i + 3)
  if #digits ~= 4 or not find(digits, "^%x%x%x%x$") then refuse("an invalid \\u escape", i) end
  return tonumber(digits, 16)
end

-- Index behind the escape whose backslash stands at i.
local function escape_end(s, i)
  local c = byte(s, i + 1)
  if c == 34 or c == 92 or c == 110 or c == 116 or c == 47 or c == 114 or c == 98 or c == 102 then
    return i + 2
  end
  if c ~= 117 then refuse("an invalid escape", i) end
  local unit = hex4(s, i + 2)
  if unit < 0xD800 or unit > 0xDFFF then return i + 6 end
  if unit > 0xDBFF or sub(s, i + 6, i + 7) ~= "\\u" then refuse("a lone surrogate", i) end
  local low = hex4(s, i + 8)
  if low < 0xDC00 or low > 0xDFFF then refuse("a lone surrogate", i) end
  return i + 12
end

-- Index of the first pair of words, from byte i on, that does not consist of plain bytes alone: no
-- quote, backslash or control character, none over 127. Or where less than a pair is left of s.
-- A byte of w is less than n where w - n borrows in it and w itself has no high bit there.
local function plain_end(s, i)
  local w = cast(words, cast(chars, s) + (i - 1))
  local k, last = 0, floor((#s - i + 1) / 4) - 2
  while k <= last do
    local a, b = w[k], w[k + 1]
    local a_quote, b_quote = bxor(a, 0x22222222), bxor(b, 0x22222222)
    local a_slash, b_slash = bxor(a, 0x5C5C5C5C), bxor(b, 0x5C5C5C5C)
    local found = bor(a, b,
      band(tobit(a - 0x20202020), bnot(a)), band(tobit(b - 0x20202020), bnot(b)),
      band(tobit(a_quote - 0x01010101), bnot(a_quote)), band(tobit(b_quote - 0x01010101), bnot(b_quote)),
      band(tobit(a_slash - 0x01010101), bnot(a_slash)), band(tobit(b_slash - 0x01010101), bnot(b_slash)))
    if band(found, 0x80808080) ~= 0 then break end
    k = k + 2
  end
  return i + 4 * k
end

-- Index of the closing quote of the string whose opening quote stands before i; true as second
-- value where the string holds an escape.
local function string_end(s, i)
  -- LuaJIT puts a zero behind each string: the end is met as a control character.
  local escaped, p, from = false, cast(bytes, s) - 1, i
  local c = p[i]
  while c ~= 34 do
    if c == 92 then
      escaped = true
      local d = p[i + 1]
      i = (d == 34 or d == 92 or d == 110) and i + 2 or escape_end(s, i)
      from = i
    elseif c < 32 then
      refuse(i > #s and "an unterminated string" or "a control character in a string", i)
    elseif c < 128 then
      i = i + 1
      if i - from == RUN then
        i = plain_end(s, i)
        from = i
      end
    else
      i = rune_end(s, i, c)
      from = i
    end
    c = p[i]
  end
  return i, escaped
end

local function digits_end(s, i)
  local c = byte(s, i)
  if not c or c < 48 or c > 57 then refuse("an invalid number", i) end
  repeat
    i = i + 1
    c = byte(s, i)
  until not c or c < 48 or c > 57
  return i, c
end

-- Index behind the number that begins at i with byte c.
local function number_end(s, i, c)
  local from, exponent = i, false
  if c == 45 then
    i = i + 1
    c = byte(s, i)
  end
  if c == 48 then
    i = i + 1
    c = byte(s, i)
  else
    i, c = digits_end(s, i)
  end
  if c == 46 then i, c = digits_end(s, i + 1) end
  if c == 101 or c == 69 then
    exponent = true
    c = byte(s, i + 1)
    if c == 43 or c == 45 then i = i + 1 end
    i = digits_end(s, i + 1)
  end
  if exponent or i - from > 300 then
    local value = tonumber(sub(s, from, i - 1))
    if not value or value == huge or value == -huge then refuse("a number out of range", from) end
  end
  return i
end

local WORDS = { [116] = "true", [102] = "false", [110] = "null" }

-- Set while a member is read that holds the input of a model (see json.scan).
local watched, opaque = nil, false

local value_end

local function array_end(s, i, depth)
  local c
  i, c = space_end(s, i)
  if c == 93 then return i + 1 end
  while true do
    i = value_end(s, i, c, depth)
    i, c = space_end(s, i)
    if c == 93 then return i + 1 end
    if c ~= 44 then refuse("a comma or ] is missing", i) end
    i, c = space_end(s, i + 1)
  end
end

local function object_end(s, i, depth)
  local c, close, escaped
  i, c = space_end(s, i)
  if c == 125 then return i + 1 end
  while true do
    if c ~= 34 then refuse("a member name is missing", i) end
    close, escaped = string_end(s, i + 1)
    if watched and not opaque and (escaped or (close - i <= 13 and watched[sub(s, i + 1, close - 1)])) then
      opaque = true
    end
    i, c = space_end(s, close + 1)
    if c ~= 58 then refuse("a colon is missing", i) end
    i, c = space_end(s, i + 1)
    i = value_end(s, i, c, depth)
    i, c = space_end(s, i)
    if c == 125 then return i + 1 end
    if c ~= 44 then refuse("a comma or } is missing", i) end
    i, c = space_end(s, i + 1)
  end
end

-- Index behind the value that begins at i with byte c.
value_end = function(s, i, c, depth)
  if c == 34 then return (string_end(s, i + 1)) + 1 end
  if c == 123 or c == 91 then
    if depth >= MAX_DEPTH then refuse("nesting deeper than " .. MAX_DEPTH, i) end
    if c == 123 then return object_end(s, i + 1, depth + 1) end
    return array_end(s, i + 1, depth + 1)
  end
  if c and (c == 45 or (c >= 48 and c <= 57)) then return number_end(s, i, c) end
  local word = WORDS[c]
  if not word or sub(s, i, i + #word - 1) ~= word then refuse("a value is missing", i) end
  return i + #word
end

local function utf8(code)
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xC0 + floor(code / 64), 0x80 + code % 64) end
  if code < 0x10000 then
    return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64,
    0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

local SHORT = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- What a checked string's inside means.
local function unescape(s)
  local out, i = {}, 1
  while true do
    local j = find(s, "\\", i, true)
    if not j then
      out[#out + 1] = sub(s, i)
      return concat(out)
    end
    out[#out + 1] = sub(s, i, j - 1)
    local c = sub(s, j + 1, j + 1)
    if c ~= "u" then
      out[#out + 1] = SHORT[c] or c
      i = j + 2
    else
      local code = tonumber(sub(s, j + 2, j + 5), 16)
      i = j + 6
      if code >= 0xD800 and code <= 0xDBFF then
        code = 0x10000 + (code - 0xD800) * 1024 + tonumber(sub(s, j + 8, j + 11), 16) - 0xDC00
        i = j + 12
      end
      out[#out + 1] = utf8(code)
    end
  end
end

-- The name as a parser reads it that ignores case; the long s and the Kelvin sign fold to ASCII.
local function fold(name)
  if find(name, "\197\191", 1, true) then name = gsub(name, "\197\191", "s") end
  if find(name, "\226\132\170", 1, true) then name = gsub(name, "\226\132\170", "k") end
  return lower(name)
end

-- Reads members from the one whose name's quote stands at i (byte c) to the closing brace.
local function members(s, i, c, input, marks)
  local found, order, folded = {}, {}, {}
  opaque = false
  while true do
    if c ~= 34 then refuse("a member name is missing", i) end
    local from = i
    local close, escaped = string_end(s, i + 1)
    local name = sub(s, i + 1, close - 1)
    if escaped then name = unescape(name) end
    local key = fold(name)
    if folded[key] then refuse("a second member of the same name", from) end
    folded[key] = name
    i, c = space_end(s, close + 1)
    if c ~= 58 then refuse("a colon is missing", i) end
    i, c = space_end(s, i + 1)
    local start = i
    watched = input and input[name] and marks
    i = value_end(s, i, c, 1)
    watched = nil
    local member = { name, from, start, i - 1 }
    found[name] = member
    order[#order + 1] = member
    i, c = space_end(s, i)
    if c == 125 then return found, order, i, folded end
    if c ~= 44 then refuse("a comma or } is missing", i) end
    i, c = space_end(s, i + 1)
  end
end

local function document(s, input, marks)
  local i, c = space_end(s, 1)
  if c ~= 123 then refuse(c and "no object" or "no JSON", i) end
  i, c = space_end(s, i + 1)
  local found, order, folded = {}, {}, {}
  opaque = false
  if c ~= 125 then found, order, i, folded = members(s, i, c, input, marks) end
  i, c = space_end(s, i + 1)
  if c then refuse("something behind the object", i) end
  return found, order, folded, opaque
end

local function guarded(read, ...)
  local ok, found, order, folded, dark = pcall(read, ...)
  watched = nil
  if ok then return found, order, folded, dark end
  if type(found) == "table" and found.json then return nil, found.json end
  error(found, 0)
end

-- Members of the JSON object s: by name and in order, each {name, start of the name, start and end
-- of the value}; then names by folded name; then whether a member in `input` (a set of names) holds
-- a nested name out of `marks`, or one with an escape, which could hide one.
-- Returns nil and a reason where s is no strict JSON object.
function json.scan(s, input, marks)
  return guarded(document, s, input, marks)
end

-- As json.scan, of an object's end: s begins with a member's name and runs to the document's end;
-- with `inside` to the end of the object that holds this one, which may have further members.
function json.tail(s, inside)
  return guarded(function(t)
    local found, order, i, folded = members(t, 1, byte(t, 1))
    local rest, c = space_end(t, i + 1)
    if inside and c == 44 then
      local _
      _, _, rest = members(t, space_end(t, rest + 1))
      rest, c = space_end(t, rest + 1)
    elseif inside then
      if c ~= 125 then refuse("a comma or } is missing", rest) end
      rest, c = space_end(t, rest + 1)
    end
    if c then refuse("something behind the object", rest) end
    return found, order, folded
  end, s)
end

-- The elements of the JSON array s, each as its raw bytes; nil where s is none.
function json.elements(s)
  return guarded(function(t)
    local elements = {}
    local i, c = space_end(t, 1)
    if c ~= 91 then refuse("no array", i) end
    i, c = space_end(t, i + 1)
    while c and c ~= 93 do
      local close = value_end(t, i, c, 2)
      elements[#elements + 1] = sub(t, i, close - 1)
      i, c = space_end(t, close)
      if c == 44 then i, c = space_end(t, i + 1) end
    end
    return elements
  end, s)
end

-- The raw bytes of a member's value; nil for no member.
function json.raw(s, member)
  return member and sub(s, member[3], member[4])
end

-- 128 bits that tell one body of a caller from his others. Whoever finds two bodies alike has
-- deceived nobody but himself: it is compared among one caller's calls under one key.
function json.digest(s)
  local w, n = cast(longs, cast(chars, s)), floor(#s / 8)
  local a, b = 0xCBF29CE484222325ULL, 0x9E3779B97F4A7C15ULL
  for k = 0, n - 1 do
    a = bxor(a, w[k]) * 0x9FB21C651E98DF25ULL
    a = bxor(a, rshift(a, 29))
    b = bxor(b + w[k], rshift(b, 31)) * 0xD6E8FEB86659FD93ULL
  end
  for i = 8 * n + 1, #s do
    a = bxor(a, byte(s, i)) * 0x100000001B3ULL
    b = (b + byte(s, i)) * 0xFF51AFD7ED558CCDULL
  end
  a, b = bxor(a, #s) * 0xC4CEB9FE1A85EC53ULL, bxor(b, rshift(b, 33)) * 0xFF51AFD7ED558CCDULL
  return tohex(bxor(a, rshift(a, 32))) .. tohex(bxor(b, rshift(b, 29)))
end

-- text as a JSON string; nil where it is no UTF-8.
function json.quote(text)
  local quoted = '"' .. gsub(text, '[%c"\\]', function(c) return string.format("\\u%04x", byte(c)) end) .. '"'
  local ok, close = pcall(string_end, quoted, 2)
  return ok and close == #quoted and quoted or nil
end
