-- Credentials that stand in bodies: the second net. Headers and queries come redacted already.

local MARK = "[redacted]"

-- Names of members and parameters whose values are credentials.
local NAMES =
  "api_?key|x-api-key|access_?token|refresh_?token|id_?token|auth_?token|client_?secret|password|authorization"

local BUILT_IN = {
  -- Keys and tokens that can be told by their form: Anthropic and OpenAI, Google, GitHub, AWS, JWT.
  { [[\bsk-[A-Za-z0-9_-]{12,}]], MARK },
  { [[\bAIza[A-Za-z0-9_-]{30,}]], MARK },
  { [[\bgh[opsur]_[A-Za-z0-9]{20,}]], MARK },
  { [[\bAKIA[A-Z0-9]{16}\b]], MARK },
  { [[\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*]], MARK },
  { [[(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{12,}]], "${1}" .. MARK },
  -- Members of JSON, also of JSON inside a string of JSON, and parameters of forms.
  { [[(?i)(\\*"(?:]] .. NAMES .. [[)\\*"\s*:\s*\\*")[^"\\]+]], "${1}" .. MARK },
  { [[(?i)\b((?:]] .. NAMES .. [[)=)[^&\s"\\]+]], "${1}" .. MARK },
}

-- The function that redacts a body: the built-in patterns, then the operator's own.
local function redactor(patterns)
  local steps = {}
  local function add(pattern, replacement)
    local compiled, err = ccproxy.re.compile(pattern)
    if not compiled then
      error(string.format("`redact_patterns`: %s", tostring(err)))
    end
    table.insert(steps, { compiled, replacement })
  end
  for _, step in ipairs(BUILT_IN) do
    add(step[1], step[2])
  end
  for _, pattern in ipairs(patterns) do
    add(pattern, MARK)
  end
  return function(text)
    for _, step in ipairs(steps) do
      if step[1]:is(text) then
        text = step[1]:gsub(text, step[2])
      end
    end
    return text
  end
end

return { redactor = redactor }
