-- How a message stands in a file: a line with its length, its first line, its headers, its body.

local function head(headers)
  local lines = {}
  for name, values in pairs(headers) do
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      table.insert(lines, name .. ": " .. value)
    end
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

local function is_text(bytes)
  return utf8.len(bytes) ~= nil and not string.find(bytes, "[\0-\8\11\12\14-\31\127]")
end

-- The first bytes of a text, whole characters only.
local function cut(text, limit)
  local piece = string.sub(text, 1, limit)
  for _ = 1, 3 do
    if utf8.len(piece) then
      return piece
    end
    piece = string.sub(piece, 1, -2)
  end
  return piece
end

-- The body as it is written, and what is to be said about it.
local function body(event, config, redact)
  local bytes = event.body
  if not config.bodies or bytes == nil then
    return "", "left out"
  end
  if not is_text(bytes) and not (event.truncated and is_text(cut(bytes, #bytes - 3))) then
    -- Compressed, or no text at all: `base64 -d` gives the bytes back.
    return ccproxy.crypto.base64_encode(string.sub(bytes, 1, config.max_body)), "base64"
  end
  -- Cut after redacting: half a credential would not be known as one.
  local text = redact(bytes)
  if #text > config.max_body then
    return cut(text, config.max_body), "cut"
  end
  return text, event.truncated and "cut" or nil
end

-- The lengths tell where a message ends, whatever its body says: `body N` is what stands here, `of M` what
-- was on the wire.
local function render(event, config, redact, what, first)
  local text, note = body(event, config, redact)
  return string.format(
    "### %s %s %s, body %d of %d bytes%s\n%s\n%s\n\n%s\n\n",
    ccproxy.time.iso(event.time),
    event.side,
    what,
    #text,
    event.body_bytes,
    note and ", " .. note or "",
    first,
    head(event.headers),
    text
  )
end

return { render = render }
