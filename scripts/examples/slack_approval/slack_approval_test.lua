---@diagnostic disable: need-check-nil, param-type-mismatch

local HOOK = "POST https://hooks.slack.com/services/T/B/X"

-- The link to say this, from what was posted.
local function link(p, decision)
  local text = p.http.last.json.text
  return ccproxy.re.match("(/slack_approval/[0-9a-f]+/" .. decision .. ")", text)
end

test("a yes lets it pass, a no does not", function(t)
  local p = t.proxy()
  p.http:on(HOOK, { body = "ok" })
  for _, case in { { "yes", 200 }, { "no", 403 } } do
    local asked = p:start("anthropic", { model = "claude-opus-4-1", provider = "claude_api" })
    t.advance("1s")
    t.eq(p.http.last.json.unfurl_links, false)
    t.eq(asked:is_done(), false)
    t.contains(p:get(link(p, case[1])).body, "Thank you")
    t.eq(asked:wait().status, case[2])
  end
  t.eq(p.upstream.count, 1)
  t.contains(p:get(link(p, "yes")).body, "over already")
end)

test("silence means no", function(t)
  local p = t.proxy { config = { wait = "1m" } }
  p.http:on(HOOK, { body = "ok" })
  local asked = p:start("anthropic", { model = "claude-opus-4-1", provider = "claude_api" })
  t.advance("61s")
  t.contains(asked:wait().body, "not decided in time")
end)

test("who cannot be asked cannot allow", function(t)
  local p = t.proxy()
  p.http:on(HOOK, { status = 500 })
  t.eq(p:anthropic({ model = "claude-opus-4-1", provider = "claude_api" }).status, 503)
end)

test("other models need nobody, nor does counting", function(t)
  local p = t.proxy()
  t.eq(p:anthropic({ model = "claude-opus-4-1", path = "/v1/messages/count_tokens" }).status, 200)
  t.eq(p:anthropic({ model = "claude-haiku-4-5", provider = "claude_api" }).status, 200)
end)
