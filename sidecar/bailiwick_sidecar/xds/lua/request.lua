-- The request's way: checks the call, scans its body, asks the agent, and splices for the first
-- attempt. Only metered calls are touched; routes decide about every other path.
local byte, find, sub, match, gmatch, lower, concat = string.byte, string.find, string.sub, string.match, string.gmatch, string.lower, table.concat

local BODY_LIMIT = 16 * 1024 * 1024
local MEMBER_LIMIT = 16 * 1024

-- Paths, with members that the agent decides on there beside DECISIVE; they may be of any length.
local METERED = {
  ["/v1/chat/completions"] = {}, ["/v1/embeddings"] = {}, ["/v1/moderations"] = {},
  ["/v1/responses"] = {
    "max_output_tokens", "previous_response_id", "conversation", "prompt", "context_management",
    "prompt_cache_options",
  },
  ["/v1/completions"] = { "echo" },
  ["/v1/images/generations"] = { "partial_images", "svg", "frame_count" },
}
local RESPONSES, COMPLETIONS = "/v1/responses", "/v1/completions"

-- Members that the agent decides on, passed as the caller wrote them.
local DECISIVE = {
  "model", "stream", "n", "max_tokens", "max_completion_tokens", "stream_options", "metadata", "store",
  "background", "modalities", "service_tier", "prediction", "best_of", "web_search_options",
  "search_parameters", "plugins", "models", "fallbacks", "api_base", "base_url",
}

-- Of these it counts that they are there; they may be of any length.
local PRESENT = {
  prediction = true, web_search_options = true, search_parameters = true, plugins = true, models = true,
  fallbacks = true, api_base = true, base_url = true,
}

-- A name that differs from these in case alone is refused: some servers would read it as the same.
local EXACT = { messages = true, input = true, tools = true, functions = true, chat_template = true, prompt = true }
for _, name in ipairs(DECISIVE) do EXACT[name] = true end
for _, more in pairs(METERED) do
  for _, name in ipairs(more) do EXACT[name] = true end
end

-- Members with a model's input, and names in there that bring what the body's size does not bound.
local INPUT = { messages = true, input = true }
local UNBOUNDED = {
  image = true, image_url = true, input_image = true, video = true, video_url = true, audio = true,
  audio_url = true, input_audio = true, file = true, file_id = true, file_url = true, file_data = true,
  input_file = true, document = true, document_url = true, image_base64 = true, image_embeds = true,
  inline_data = true, inlineData = true, source = true,
}

-- Tools that the caller runs himself. Others are the provider's: they bring input, and fees.
local OWN_TOOLS = { ['"function"'] = true, ['"custom"'] = true }

-- Members that hold the output cap.
local CAPS = { "max_tokens", "max_completion_tokens", "max_output_tokens" }

-- Items of a response's input that bring all that they say. Others name what a provider keeps, or
-- belong to tools that he runs.
local OWN_ITEMS = {
  ['"message"'] = true, ['"function_call"'] = true, ['"function_call_output"'] = true,
  ['"custom_tool_call"'] = true, ['"custom_tool_call_output"'] = true, ['"reasoning"'] = true,
}

-- What a provider may see of the caller's headers.
local PASSED = {
  accept = true, ["content-type"] = true, ["content-length"] = true, ["transfer-encoding"] = true,
  ["x-request-id"] = true,
  -- Without it Envoy finds no route.
  ["x-forwarded-proto"] = true,
}

local function only(headers, allowed)
  local drop = {}
  for name in pairs(headers) do
    if not allowed[name] and sub(name, 1, 1) ~= ":" then drop[#drop + 1] = name end
  end
  for i = 1, #drop do headers:remove(drop[i]) end
end

local function media_refusal(headers)
  local media = match(lower(headers:get("content-type") or ""), "^%s*([^;%s]*)%s*;?")
  if media ~= "application/json" then
    return "Send the body as content-type: application/json."
  end
  local encoding = headers:get("content-encoding")
  if encoding and lower(encoding) ~= "identity" then
    return "Send the body without content-encoding: the gateway reads it as it is."
  end
end

-- Types of those tools that the provider runs, as a JSON array; nil where there are none.
local function foreign_tools(body, member)
  local raw = json.raw(body, member)
  if not raw or raw == "null" then return nil end
  local elements, types = json.elements(raw), {}
  if not elements then return "[null]" end
  for _, element in ipairs(elements) do
    local tool = json.scan(element)
    local kind = tool and json.raw(element, tool.type) or "null"
    if not OWN_TOOLS[kind] and #types < 8 then types[#types + 1] = #kind <= 64 and kind or "null" end
  end
  return types[1] and "[" .. concat(types, ",") .. "]"
end

-- Whether what the model reads is made elsewhere: from a prompt that the provider keeps, or by a
-- template that comes with the call.
local function made_elsewhere(body, found)
  local prompt = json.raw(body, found.prompt)
  return found.chat_template ~= nil or (prompt and byte(prompt) == 123) or false
end

-- Whether a response's input has an item that is none of the caller's own; one without a type is a
-- message where it has a role, else the name of something kept.
local function foreign_items(body, member)
  local raw = json.raw(body, member)
  local elements = raw and byte(raw) == 91 and json.elements(raw)
  for i = 1, elements and #elements or 0 do
    local item, _, folded = json.scan(elements[i])
    if not item then return true end
    local kind = json.raw(elements[i], item.type) or "null"
    if not (OWN_ITEMS[kind] or (kind == "null" and item.role)) or (folded.type or "type") ~= "type" then return true end
  end
  return false
end

-- How many prompts a completion has: an array of numbers is one.
local function prompts(body, member)
  local raw = json.raw(body, member)
  local elements = raw and byte(raw) == 91 and json.elements(raw) or {}
  for i = 1, #elements do
    local c = byte(elements[i])
    if c == 34 or c == 91 then return #elements end
  end
  return 1
end

-- What the agent decides on at this path alone.
local function particulars(out, path, body, found)
  for _, name in ipairs(METERED[path]) do
    local raw = json.raw(body, found[name])
    if raw then out[#out + 1] = ',"' .. name .. '":' .. (#raw <= MEMBER_LIMIT and raw or "true") end
  end
  if path == RESPONSES then
    if foreign_items(body, found.input) then out[#out + 1] = ',"foreign_items":true' end
  elseif path == COMPLETIONS then
    out[#out + 1] = ',"prompts":' .. prompts(body, found.prompt)
  end
end

-- The body of POST /admit; nil and a reason where a member can't be passed on.
local function question(path, size, body, found, dark, tags, key)
  local out = { '{"path":"' .. path .. '","size":' .. size .. ',"opaque":' .. (dark and "true" or "false") }
  for _, name in ipairs(DECISIVE) do
    local member = found[name]
    if member then
      local raw = json.raw(body, member)
      if #raw > MEMBER_LIMIT then
        if not PRESENT[name] then return nil, '"' .. name .. '" is larger than 16 KiB.' end
        raw = "true"
      end
      out[#out + 1] = ',"' .. name .. '":' .. raw
    end
  end
  particulars(out, path, body, found)
  local foreign = foreign_tools(body, found.tools)
  if foreign then out[#out + 1] = ',"tools":' .. foreign end
  if tags then
    local quoted = json.quote(tags)
    if not quoted then return nil, "The header x-bailiwick-tags is no UTF-8." end
    out[#out + 1] = ',"tags":' .. quoted
  end
  if key then
    local quoted = json.quote(key)
    if not quoted then return nil, "The header idempotency-key is no UTF-8." end
    out[#out + 1] = ',"key":' .. quoted .. ',"digest":"' .. json.digest(body) .. '"'
  end
  out[#out + 1] = "}"
  return concat(out)
end

-- Asks the provider for usage in the stream; false where stream_options is no object.
local function force_usage(edits, body, found)
  local member = found.stream_options
  if not member then
    local behind = found.model[4] + 1
    splices.add(edits, behind, behind - 1, ',"stream_options":{"include_usage":true}')
    return true
  end
  local raw = json.raw(body, member)
  if raw == "null" then
    splices.add(edits, member[3], member[4], '{"include_usage":true}')
    return true
  end
  local options = json.scan(raw)
  if not options then return false end
  local include = options.include_usage
  if include then
    local base = member[3] - 1
    if json.raw(raw, include) ~= "true" then splices.add(edits, base + include[3], base + include[4], "true") end
  else
    splices.add(edits, member[3] + 1, member[3], '"include_usage":true' .. (next(options) and "," or ""))
  end
  return true
end

local function drop_members(edits, order, names)
  local dropped, last_kept = {}, 0
  for name in gmatch(names, "[^,%s]+") do dropped[name] = true end
  for i, member in ipairs(order) do
    if not dropped[member[1]] then last_kept = i end
  end
  for i = 1, last_kept - 1 do
    if dropped[order[i][1]] then splices.add(edits, order[i][2], order[i + 1][2] - 1, "") end
  end
  if last_kept > 0 and last_kept < #order then
    splices.add(edits, order[last_kept][4] + 1, order[#order][4], "")
  end
  return dropped
end

-- Sets a member that the caller left out or to null.
local function set_member(edits, text, found)
  local field, value = match(text, "^([%a_]+)=(%a+)$")
  if not field then error("a member to set that is none") end
  local member = found[field]
  if member then return splices.add(edits, member[3], member[4], value) end
  local behind = found.model[4] + 1
  splices.add(edits, behind, behind - 1, ',"' .. field .. '":' .. value)
end

-- The body of attempt 1, and where a further attempt finds in it what it has to replace.
local function first_body(answer, edits, body, found, dropped, again)
  local model, capped = found.model, answer["x-bw-edit-cap"]
  splices.add(edits, model[3], model[4], answer["x-bw-model"], "model")
  if capped then
    splices.cap(edits, capped, function(field)
      local member = found[field]
      if member then return member[3], member[4] end
    end, model[4] + 1)
  elseif again then
    for i = 1, #CAPS do
      local member = not dropped[CAPS[i]] and found[CAPS[i]]
      if member then splices.add(edits, member[3], member[4], json.raw(body, member), CAPS[i]) end
    end
  end
  return splices.apply(body, edits)
end

local function admitted(h, answer, path, body, found, order)
  local edits, dropped = {}, {}
  local usage = answer["x-bw-edit-usage"]
  if usage and not force_usage(edits, body, found) then
    return answers.refuse(h, 400, "invalid_request", '"stream_options" must be an object.')
  end
  if answer["x-bw-edit-set"] then set_member(edits, answer["x-bw-edit-set"], found) end
  if answer["x-bw-edit-drop"] then dropped = drop_members(edits, order, answer["x-bw-edit-drop"]) end
  local headers, attempts = h:headers(), 0
  for code in gmatch(answer["x-bw-plan"] or "", "[^,%s]+") do
    attempts = attempts + 1
    headers:replace("x-bw-a" .. attempts, code)
  end
  headers:replace("x-bw-route", answer["x-bw-route"])
  local caller = {}
  for name, value in pairs(answer) do
    if sub(name, 1, 12) == "x-ratelimit-" then caller[#caller + 1] = name .. "\n" .. value .. "\n" end
  end
  local text, spans = first_body(answer, edits, body, found, dropped, attempts > 1)
  h:body():setBytes(text)
  headers:replace("content-length", tostring(#text))
  -- Flat strings where they will do: Envoy copies a table member by member, each way.
  local metadata = h:streamInfo():dynamicMetadata()
  metadata:set("bailiwick", "o", usage == "hide" and "hide" or path == RESPONSES and "response" or "show")
  metadata:set("bailiwick", "caller", concat(caller))
  metadata:set("bailiwick", "b", answer["x-bw-names"] or "")
  if answer["x-bw-cut"] then metadata:set("bailiwick", "cut", answer["x-bw-cut"]) end
  if answer["x-bw-tiers"] then metadata:set("bailiwick", "tiers", answer["x-bw-tiers"]) end
  metadata:set("bailiwick.leaf", "e", {
    attempts = attempts, operation = sub(path, 4),
    model = attempts > 1 and spans.model or nil,
    max_tokens = attempts > 1 and spans.max_tokens or nil,
    max_completion_tokens = attempts > 1 and spans.max_completion_tokens or nil,
    max_output_tokens = attempts > 1 and spans.max_output_tokens or nil,
  })
  metadata:set("bailiwick.leaf", "k", {
    ["x-bw-endpoint"] = answer["x-bw-endpoint"],
    ["x-bw-credential-header"] = answer["x-bw-credential-header"],
    ["x-bw-credential"] = answer["x-bw-credential"],
  })
  h:clearRouteCache()
end

local function on_request(h)
  local headers = h:headers()
  if headers:get(":method") ~= "POST" then return end
  local path = match(headers:get(":path"), "^[^?#]*")
  if not METERED[path] then return end
  h:streamInfo():dynamicMetadata():set("bailiwick", "p", path)
  local reason = media_refusal(headers)
  if reason then return answers.refuse(h, 415, "unsupported_media_type", reason) end
  if tonumber(headers:get("content-length") or 0) > BODY_LIMIT then
    return answers.refuse(h, 413, "request_too_large", "The body is larger than 16 MiB.")
  end
  local id, token, tags = headers:get("x-request-id"), headers:get("x-bw-jwt"), headers:get("x-bailiwick-tags")
  local protocol, key = headers:get("x-bw-protocol"), headers:get("idempotency-key")
  only(headers, PASSED)
  local buffer = h:body()
  local size = buffer and buffer:length() or 0
  local body = size > 0 and buffer:getBytes(0, size) or ""
  local found, order, folded, dark = json.scan(body, INPUT, UNBOUNDED)
  if not found then
    return answers.refuse(h, 400, "invalid_json", "The body must be one strict JSON object: " .. order .. ".")
  end
  for key, name in pairs(folded) do
    if EXACT[key] and key ~= name then
      return answers.refuse(h, 400, "invalid_json", 'Write "' .. key .. '" in lower case.')
    end
  end
  local text
  text, reason = question(path, size, body, found, dark or made_elsewhere(body, found), tags, key)
  if not text then return answers.refuse(h, 400, "invalid_request", reason) end
  local answer, refusal = answers.ask(h, {
    [":path"] = "/admit", ["content-type"] = "application/json", ["x-bw-id"] = id, ["x-bw-jwt"] = token,
    ["x-bw-protocol"] = protocol,
  }, text)
  if not answer then return answers.unavailable(h) end
  if answer[":status"] ~= "200" or answer["x-bw-replay"] then return answers.pass(h, answer, refusal) end
  if not (found.model and answer["x-bw-route"] and answer["x-bw-plan"] and answer["x-bw-model"]) then
    error("admitted without model, route or plan")
  end
  if key then h:streamInfo():dynamicMetadata():set("bailiwick", "key", id) end
  admitted(h, answer, path, body, found, order)
end

function envoy_on_request(h)
  answers.guard(h, on_request)
end
