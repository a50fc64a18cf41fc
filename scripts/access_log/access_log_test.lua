-- The lines in the file, in each format, and what must not get into one.

local function lines(p)
  local found = {}
  for line in string.gmatch(p.file.read("access.log") or "", "([^\n]*)\n") do
    table.insert(found, line)
  end
  return found
end

test("writes one JSON object for each exchange", function(t)
  local p = t.proxy()
  p:anthropic {}
  p:openai_chat { stream = true }
  local written = lines(p)
  t.eq(#written, 2)
  t.has(ccproxy.json.decode(written[1]), {
    time = "2026-01-01T00:00:00.000Z",
    event = "request.completed",
    method = "POST",
    path = "/v1/messages",
    status = 200,
    provider = "claude_api",
    model = "claude-sonnet-4-5",
    streamed = false,
    usage = { input_tokens = 10, output_tokens = 5 },
  })
  t.has(ccproxy.json.decode(written[2]), { format = "openai_chat", provider = "openai", streamed = true })
end)

test("writes the lines that web servers write", function(t)
  local p = t.proxy { config = { format = "combined" } }
  p:anthropic { headers = { ["user-agent"] = "curl/8", referer = "http://a.example/" } }
  local line = p.file.read("access.log")
  t.matches(
    line,
    [[^127\.0\.0\.1 - - \[01/Jan/2026:00:00:00 \+0000\] "POST /v1/messages HTTP/1\.1" 200 \d+ ]]
  )
  t.contains(line, '"http://a.example/" "curl/8"\n')
end)

test("an upstream that breaks off is a line, too", function(t)
  local p = t.proxy()
  p.upstream:reply { say = "Hello", breaks = 600 }
  local res = p:anthropic { stream = true }
  t.contains(res.broken, "broke its answer off")
  t.has(ccproxy.json.decode(lines(p)[1]), { event = "request.failed" })
end)

test("a client cannot fake a line", function(t)
  local p = t.proxy { config = { format = "combined" } }
  p:get("/nowhere?a=%0A%22", { headers = { ["user-agent"] = 'a" 200 "\\' } })
  local written = lines(p)
  t.eq(#written, 1)
  t.contains(written[1], [["a\x22 200 \x22\x5c"]])
end)

test("some paths are left out, and lines can go to the log", function(t)
  local p = t.proxy { config = { console = true, to_file = false } }
  p:get("/health")
  t.eq(#p.logs, 0)
  p:get("/plugins")
  t.eq(#p.logs, 1)
  for _, line in ipairs(p.logs) do
    t.contains(line.message, '"path":"/plugins"')
  end
  t.eq(p.file.list(), {})
end)

test("counts are handed over at a reload", function(t)
  local p = t.proxy()
  p:anthropic {}
  p:reload()
  p:anthropic {}
  t.has(p:health(), { status = "pass", details = { lines = 2, lost = 0 } })
end)
