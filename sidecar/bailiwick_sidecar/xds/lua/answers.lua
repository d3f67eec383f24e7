-- Answers in the shape of OpenAI's errors, made here or passed on from the agent.
local answers = {}

local NAMESPACE = "bailiwick"

-- Ends the request. `own` keeps Envoy's local reply rules from rewriting the answer.
function answers.answer(h, headers, body)
  h:streamInfo():dynamicMetadata():set(NAMESPACE, "own", true)
  h:respond(headers, body)
end

function answers.body(kind, code, message)
  return '{"error":{"message":' .. json.quote(message) .. ',"type":"' .. kind
    .. '","param":null,"code":"' .. code .. '"}}'
end

function answers.refuse(h, status, code, message)
  local kind = status < 500 and "invalid_request_error" or "api_error"
  answers.answer(h, { [":status"] = tostring(status), ["content-type"] = "application/json" },
    answers.body(kind, code, message))
end

function answers.unavailable(h)
  answers.answer(h, { [":status"] = "503", ["content-type"] = "application/json", ["retry-after"] = "1" },
    answers.body("api_error", "gateway_unavailable", "The gateway can't decide about this request now. Try again."))
end

-- Runs handler(h); any fault ends in a response, since Envoy would let the request go on as it is.
function answers.guard(h, handler)
  local ok, fault = pcall(handler, h)
  if ok then return end
  h:logErr("bailiwick: handler failed: " .. tostring(fault))
  -- Not possible once an answer is on its way.
  pcall(answers.refuse, h, 500, "gateway_error", "The gateway failed to handle this request.")
end

-- The agent's answer where it is one; nil where the call failed on the way.
function answers.ask(h, headers, body)
  headers[":method"] = "POST"
  headers[":authority"] = "agent"
  local answer, text = h:httpCall("agent", headers, body, { timeout_ms = 5000, send_xff = false })
  if not answer or answer["x-bw-agent"] ~= "1" then return nil end
  return answer, text
end

-- Passes the agent's refusal on: status, body and the headers meant for the caller.
function answers.pass(h, answer, text)
  local headers = { [":status"] = answer[":status"] }
  for name, value in pairs(answer) do
    if name == "content-type" or name == "retry-after" or name == "www-authenticate"
      or string.sub(name, 1, 12) == "x-ratelimit-" then
      headers[name] = value
    end
  end
  if answer["x-bw-replay"] then headers["idempotent-replayed"] = "true" end
  answers.answer(h, headers, text or "")
end
