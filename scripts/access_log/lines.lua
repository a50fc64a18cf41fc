-- How a line is written in each format. A client chooses its path, its user agent and its model's name:
-- nothing of them may end a line, close a quote or steer a terminal.

local function escape(char)
  return string.format("\\x%02x", string.byte(char))
end

local function plain(text)
  return (string.gsub(tostring(text), '[%c"\\\128-\255]', escape))
end

local function or_dash(value)
  if value == nil or value == ccproxy.null or value == "" then
    return "-"
  end
  return plain(value)
end

local function target(event)
  if event.query == nil or event.query == ccproxy.null then
    return event.path
  end
  return event.path .. "?" .. event.query
end

-- The common log format of NCSA httpd: host ident user [time] "request" status bytes
local function common(event)
  return string.format(
    '%s - %s [%s] "%s %s HTTP/%s" %d %s',
    or_dash(event.peer),
    event.client == "anonymous" and "-" or or_dash(event.client),
    os.date("!%d/%b/%Y:%H:%M:%S +0000", math.floor(event.time)),
    plain(event.method),
    plain(target(event)),
    event.http2 and "2.0" or "1.1",
    event.status,
    event.response_bytes > 0 and tostring(event.response_bytes) or "-"
  )
end

-- The same with referrer and user agent.
local function combined(event)
  return string.format('%s "%s" "%s"', common(event), or_dash(event.referer), or_dash(event.user_agent))
end

-- Of the event's fields, in the order of the documentation.
local FIELDS = {
  "id",
  "method",
  "path",
  "query",
  "status",
  "duration_ms",
  "head_ms",
  "first_byte_ms",
  "request_bytes",
  "response_bytes",
  "client",
  "peer",
  "http2",
  "user_agent",
  "provider",
  "model",
  "format",
  "streamed",
  "attempts",
  "usage",
  "error",
}

-- What a terminal or an editor would obey: delete, the C1 controls, line separators, and letters that turn
-- the reading direction. JSON itself escapes only the controls below 32.
local OBEYED = { "\127", "\194[\128-\159]", "\226\128[\142\143\168-\174]", "\226\129[\166-\169]" }

local function as_escape(text)
  return string.format("\\u%04x", utf8.codepoint(text))
end

-- One JSON object. Fields that say nothing are left out.
local function structured(event)
  local entry = { time = ccproxy.time.iso(event.time), event = event.name }
  for _, field in ipairs(FIELDS) do
    local value = event[field]
    if value ~= ccproxy.null then
      entry[field] = value
    end
  end
  local line = ccproxy.json.encode(entry)
  if string.find(line, "[\127\194\226]") then
    for _, pattern in ipairs(OBEYED) do
      line = string.gsub(line, pattern, as_escape)
    end
  end
  return line
end

return { common = common, combined = combined, structured = structured }
