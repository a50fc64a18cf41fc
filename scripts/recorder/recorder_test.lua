-- What went by is in the file, whole, and nothing of a credential.

local function messages(p)
  local list = {}
  for line in string.gmatch(p.file.read("exchanges.jsonl") or "", "[^\n]+") do
    list[#list + 1] = ccproxy.json.decode(line)
  end
  return list
end

test("an exchange is four messages with one id", function(t)
  local p = t.proxy()
  p:anthropic { prompt = "hello you" }
  local list = messages(p)
  local seen = {}
  for _, message in ipairs(list) do
    t.eq(message.id, list[1].id)
    t.eq(message.v, 1)
    table.insert(seen, message.side .. " " .. message.kind)
  end
  table.sort(seen)
  t.eq(seen, { "client request", "client response", "provider request", "provider response" })
  t.contains(list[1].body, "hello you")
end)

test("credentials are not recorded", function(t)
  local p = t.proxy()
  p:anthropic { headers = { authorization = "Bearer secret-of-the-client" } }
  local text = p.file.read("exchanges.jsonl")
  t.lacks(text, "secret-of-the-client")
  t.lacks(text, "test-key")
  t.contains(text, "[redacted]")
end)

test("it stops when it is full", function(t)
  local p = t.proxy { config = { max_size = "1KiB" } }
  p:anthropic {}
  p:anthropic {}
  t.truthy(#(p.file.read("exchanges.jsonl") or "") <= 1024)
end)

test("only the paths that are asked for", function(t)
  local p = t.proxy { config = { paths = { "/v1/responses" } } }
  p:anthropic {}
  t.eq(messages(p), {})
  p:openai_responses {}
  t.truthy(#messages(p) > 0)
end)
