-- Changes of a text: bytes from..to (none where to < from) are replaced, the rest stays as it is.
local splices = {}

local concat, sub, sort = table.concat, string.sub, table.sort

-- A span as it is kept between attempts.
function splices.span(from, to)
  return from .. ":" .. to
end

function splices.unspan(text)
  local from, to = string.match(text or "", "^(%d+):(%d+)$")
  return tonumber(from), tonumber(to)
end

-- What stands behind the first `lead` bytes of the new text can be found again by its name.
function splices.add(list, from, to, text, name, lead)
  list[#list + 1] = { from, to, text, name, lead or 0 }
end

-- Sets an output cap: in its member's place, or added behind the model's name.
function splices.cap(list, text, place, behind)
  local field, value = string.match(text, "^([%a_]+)=(%d+)$")
  if not field then error("an output cap that is none") end
  local from, to = place(field)
  if from then
    splices.add(list, from, to, value, field)
  else
    local before = ',"' .. field .. '":'
    splices.add(list, behind, behind - 1, before .. value, field, #before)
  end
  return field
end

local function ordered(a, b)
  if a[1] ~= b[1] then return a[1] < b[1] end
  return a[2] < b[2]
end

-- The new text, and the spans of what has a name in it.
function splices.apply(body, list)
  sort(list, ordered)
  local out, spans, from, size = {}, {}, 1, 0
  for i = 1, #list do
    local edit = list[i]
    if edit[1] < from then error("splices overlap") end
    size = size + edit[1] - from
    if edit[4] then spans[edit[4]] = splices.span(size + edit[5] + 1, size + #edit[3]) end
    size = size + #edit[3]
    out[#out + 1] = sub(body, from, edit[1] - 1)
    out[#out + 1] = edit[3]
    from = edit[2] + 1
  end
  out[#out + 1] = sub(body, from)
  return concat(out), spans
end
