-- One attempt at one backend: drops what the attempt before left, then sets this attempt's
-- credential, path and, where it is a further one, model and output cap. CODE, ENDPOINT, PATH and
-- AUTHORITY stand before this text as constants.

-- Attempts share one map of headers: without this, provider B would receive provider A's key.
local REMOVED = {
  "authorization", "api-key", "x-api-key", "x-goog-api-key", "x-bw-jwt", "x-bw-route",
  "accept-encoding", "cookie", "x-forwarded-for", "x-forwarded-proto",
}

-- Names of the plan, needed in the shared map only while a further attempt may come.
local PLAN = { "x-bw-a1", "x-bw-a2", "x-bw-a3", "x-bw-a4", "x-bw-a5" }

local function rewritten(body, plan, model, cap)
  local edits, from, to = {}, splices.unspan(plan.model)
  splices.add(edits, from, to, model)
  if cap then
    splices.cap(edits, cap, function(field) return splices.unspan(plan[field]) end, to + 1)
  end
  return (splices.apply(body, edits))
end

local function remove(headers, names)
  for i = 1, #names do headers:remove(names[i]) end
end

local function on_request(h)
  local headers = h:headers()
  local metadata = h:streamInfo():dynamicMetadata()
  local mine = metadata:get("bailiwick.leaf")
  local attempt = tonumber(headers:get("x-envoy-attempt-count"))
  -- What stands there is attempt 1's body: it goes on as it is. Any other reads it before it calls
  -- the agent, since it can't be read for the first time after that.
  if attempt ~= 1 then
    h:body()
    headers, metadata = h:headers(), h:streamInfo():dynamicMetadata()
  end
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
  if attempt == 1 then return end
  local buffer = h:body()
  local text = rewritten(buffer:getBytes(0, buffer:length()), plan, answer["x-bw-model"], answer["x-bw-edit-cap"])
  buffer:setBytes(text)
  headers:replace("content-length", tostring(#text))
end

function envoy_on_request(h)
  answers.guard(h, on_request)
end
