-- As much of Envoy's Lua interface as the scripts use, so that they run without Envoy at full speed.
-- Headers are a map of lower-case names; `respond` ends the handler as Envoy does, by never
-- returning into it; a body comes whole to a request and in chunks to an answer.
local double = {}

local Headers = {}
Headers.__index = Headers
function Headers:get(name)
  local value = self.map[name]
  if value == nil then return end
  return value
end
function Headers:replace(name, value)
  if type(value) ~= "string" then error("header value is no string: " .. name) end
  self.map[name] = value
end
function Headers:remove(name) self.map[name] = nil end

local Buffer = {}
Buffer.__index = Buffer
function Buffer:length() return #self.text end
function Buffer:getBytes(from, size)
  if from + size > #self.text then error("beyond the buffer's end") end
  return self.text:sub(from + 1, from + size)
end
function Buffer:setBytes(text) self.text = text end

local function buffer(text) return setmetatable({ text = text }, Buffer) end

local function each(object)
  if getmetatable(object) == Headers then return next, object.map end
  return pairs(object)
end

-- A script's chunk, with globals of its own.
function double.load(source, name)
  local env = setmetatable({ pairs = each }, { __index = _G })
  local chunk = assert(loadstring(source, "=" .. name))
  setfenv(chunk, env)()
  return env
end

local function handle(headers, metadata)
  local h = { logged = {} }
  local map = setmetatable({ map = headers }, Headers)
  local meta = {}
  function meta.get(_, namespace) return metadata[namespace] end
  function meta.set(_, namespace, key, value)
    metadata[namespace] = metadata[namespace] or {}
    metadata[namespace][key] = value
  end
  function h.headers() return map end
  function h.streamInfo() return { dynamicMetadata = function() return meta end } end
  function h.logErr(_, text) h.logged[#h.logged + 1] = text end
  function h.clearRouteCache() end
  function h.respond(_, answer, body) coroutine.yield({ answer = answer, body = body }) end
  return h
end

-- Runs a handler; returns what it answered by itself, if it did.
local function run(handler, h)
  local thread = coroutine.create(handler)
  local ok, answered = coroutine.resume(thread, h)
  if not ok then error(answered, 0) end
  return answered
end

-- A call through the request script and one leaf. Returns status and body of an own answer (nil
-- where it goes on), what the agent was asked, the body that leaves, what was logged, and the body of
-- a second attempt.
function double.call(request, leaf, path, media, body, admit, tags, again)
  local headers = {
    [":method"] = "POST", [":path"] = path, ["x-request-id"] = "id", ["content-type"] = media,
    ["x-bailiwick-tags"] = tags, ["x-forwarded-proto"] = "http",
  }
  local metadata, asked = {}, nil
  local h = handle(headers, metadata)
  local out = buffer(body)
  h.body = function() return out end
  h.httpCall = function(_, _, _, question)
    asked = question
    return admit, ""
  end
  local answered = run(request.envoy_on_request, h)
  if answered then return answered.answer[":status"], answered.body, asked, nil, h.logged[1], nil end
  headers["x-envoy-attempt-count"] = "1"
  local up = handle(headers, metadata)
  up.body = function() return out end
  answered = run(leaf.envoy_on_request, up)
  if answered then return answered.answer[":status"], answered.body, asked, nil, up.logged[1], nil end
  headers["x-envoy-attempt-count"] = "2"
  local next_out, second = buffer(out.text), handle(headers, metadata)
  second.body = function() return next_out end
  second.httpCall = function() return again, "" end
  answered = run(leaf.envoy_on_request, second)
  local logged = h.logged[1] or up.logged[1] or second.logged[1]
  return nil, nil, asked, out.text, logged, not answered and next_out.text or nil
end

-- An answer through the response script, cut at these lengths. Returns what the caller gets, the
-- usage found, events, their bytes, and what was logged.
function double.answer(response, media, body, cuts, mode)
  local metadata = { bailiwick = { o = mode, caller = "" } }
  local h = handle({ [":status"] = "200", ["content-type"] = media }, metadata)
  local chunks, from = {}, 1
  for i = 1, #cuts do
    chunks[i] = buffer(body:sub(from, from + cuts[i] - 1))
    from = from + cuts[i]
  end
  chunks[#chunks + 1] = buffer(body:sub(from))
  -- The end of an answer of unknown length.
  chunks[#chunks + 1] = buffer("")
  local at = 0
  h.bodyChunks = function()
    return function()
      at = at + 1
      return chunks[at]
    end
  end
  h.body = function() return chunks[1] end
  local answered = run(response.envoy_on_response, h)
  local mine, out = metadata.bailiwick, {}
  for i = 1, #chunks do out[i] = chunks[i].text end
  if mine.done ~= 1 or answered then
    return table.concat(out), nil, -1, -1, h.logged[1] or "answered by itself"
  end
  return table.concat(out), mine.u, mine.ev or 0, mine.eb or 0, h.logged[1]
end

return double
