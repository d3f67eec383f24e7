-- One attempt at one backend: drops what the attempt before left, then sets this attempt's model,
-- credential and path. CODE, ENDPOINT, PATH and AUTHORITY stand before this text as constants.
local gmatch, match, sub, concat = string.gmatch, string.match, string.sub, table.concat

-- Attempts share one map of headers: without this, provider B would receive provider A's key.
local REMOVED = {
  "authorization", "api-key", "x-api-key", "x-goog-api-key", "x-bw-jwt", "x-bw-route",
  "accept-encoding", "cookie", "x-forwarded-for", "x-forwarded-proto",
}

-- Names of the plan, needed in the shared map only while a further attempt may come.
local PLAN = { "x-bw-a1", "x-bw-a2", "x-bw-a3", "x-bw-a4", "x-bw-a5" }

local function ordered(a, b)
  if a[1] ~= b[1] then return a[1] < b[1] end
  return a[2] < b[2]
end

local function spliced(body, edits)
  table.sort(edits, ordered)
  local out, from = {}, 1
  for _, edit in ipairs(edits) do
    if edit[1] < from then error("splices overlap") end
    out[#out + 1] = sub(body, from, edit[1] - 1)
    out[#out + 1] = edit[3]
    from = edit[2] + 1
  end
  out[#out + 1] = sub(body, from)
  return concat(out)
end

local function span(text)
  local from, to = match(text or "", "^(%d+):(%d+)$")
  return tonumber(from), tonumber(to)
end

local function rewritten(body, plan, model, cap)
  local edits = {}
  for from, to, text in gmatch(plan.edits, "(%d+):(%d+):([^\n]*)\n") do
    edits[#edits + 1] = { tonumber(from), tonumber(to), text }
  end
  local from, to = span(plan.model)
  edits[#edits + 1] = { from, to, model }
  for field, value in gmatch(cap or "", "([%a_]+)=(%d+)") do
    local cap_from, cap_to = span(plan[field])
    if cap_from then
      edits[#edits + 1] = { cap_from, cap_to, value }
    else
      edits[#edits + 1] = { to + 1, to, ',"' .. field .. '":' .. value }
    end
  end
  return spliced(body, edits)
end

local function remove(headers, names)
  for i = 1, #names do headers:remove(names[i]) end
end

local function on_request(h)
  -- Before any call to the agent: it can't be read for the first time after one.
  h:body()
  local headers = h:headers()
  local metadata = h:streamInfo():dynamicMetadata()
  local mine = metadata:get("bailiwick.leaf")
  local attempt = tonumber(headers:get("x-envoy-attempt-count"))
  remove(headers, REMOVED)
  if mine.was then headers:remove(mine.was) end
  local plan, answer, refusal = mine.e, nil, nil
  if attempt == 1 then
    answer = mine.k
    metadata:set("bailiwick.leaf", "k", "")
  else
    answer, refusal = answers.ask(h, {
      [":path"] = "/attempt", ["x-bw-id"] = headers:get("x-request-id"),
      ["x-bw-attempt"] = tostring(attempt), ["x-bw-backend"] = CODE,
    })
    if not answer then return answers.unavailable(h) end
    if answer[":status"] ~= "200" then return answers.pass(h, answer, refusal) end
    -- Handles die while the script waits.
    headers, metadata = h:headers(), h:streamInfo():dynamicMetadata()
  end
  -- Chosen under another config: the credential belongs to another endpoint than this one.
  if answer["x-bw-endpoint"] ~= ENDPOINT then return answers.unavailable(h) end
  local name = answer["x-bw-credential-header"]
  if name then
    headers:replace(name, answer["x-bw-credential"])
    metadata:set("bailiwick.leaf", "was", name)
  end
  if attempt >= plan.attempts then remove(headers, PLAN) end
  headers:replace(":path", PATH .. plan.operation)
  headers:replace(":authority", AUTHORITY)
  headers:replace("user-agent", "bailiwick")
  local buffer = h:body()
  local text = rewritten(buffer:getBytes(0, buffer:length()), plan, answer["x-bw-model"], answer["x-bw-edit-cap"])
  buffer:setBytes(text)
  headers:replace("content-length", tostring(#text))
end

function envoy_on_request(h)
  answers.guard(h, on_request)
end
