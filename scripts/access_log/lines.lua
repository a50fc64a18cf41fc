-- How a line is written in each format. Control bytes never reach the file: a client chooses its path
-- and its user agent.

local function plain(text)
  return (string.gsub(tostring(text), '[%c"\\]', function(char)
    return string.format("\\x%02x", string.byte(char))
  end))
end

local function or_dash(value)
  if value == nil or value == ccproxy.null or value == "" then
    return "-"
  end
  return plain(value)
end

local function target(event)
  if event.query and event.query ~= ccproxy.null then
    return event.path .. "?" .. event.query
  end
  return event.path
end

-- NCSA common log format: host ident user [time] "request" status bytes
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
  return string.format('%s "-" "%s"', common(event), or_dash(event.user_agent))
end

local FIELDS = {
  "id",
  "method",
  "path",
  "query",
  "status",
  "duration_ms",
  "first_byte_ms",
  "request_bytes",
  "response_bytes",
  "client",
  "peer",
  "user_agent",
  "provider",
  "model",
  "format",
  "stream",
  "attempts",
  "usage",
  "error",
}

local function structured(event)
  local entry = { time = ccproxy.time.iso(event.time), event = event.name }
  for _, field in FIELDS do
    entry[field] = event[field]
  end
  return ccproxy.json.encode(entry)
end

return { common = common, combined = combined, structured = structured }
