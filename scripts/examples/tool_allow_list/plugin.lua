-- Lets only named tools through to the model: others are taken out of the request. Works in every format.

local NAMES = { "name", "function.name", "custom.name" }
-- The lists of tools, and what chooses among them; the second pair is how Chat Completions called them first.
local LISTS = { { "tools", "tool_choice" }, { "functions", "function_call" } }
-- Choices that name no tool.
local OPEN = { "auto", "any", "none", "required", "allowed_tools" }

-- The name of what stands there when it is not allowed.
---@return string?
local function refused(body, at, allow)
  local names = {}
  for _, path in NAMES do
    local name = body:get(at .. "." .. path)
    if type(name) == "string" then
      table.insert(names, name)
    end
  end
  if #names == 0 then
    -- A tool of the provider's own, such as `web_search`.
    names = { tostring(body:get(at .. ".type")) }
  end
  for _, name in names do
    if not ccproxy.re.glob(allow, name) then
      return name
    end
  end
  return nil
end

-- Takes out of a list what is not allowed; says what that was.
local function prune(body, list, allow)
  local dropped = {}
  for at = body:len(list) or 0, 1, -1 do
    local place = list .. "[" .. at .. "]"
    local name = refused(body, place, allow)
    if name then
      table.insert(dropped, name)
      body:delete(place)
    end
  end
  return dropped
end

-- A choice must not name what was taken out.
local function prune_choice(body, choice, allow)
  if body:kind(choice) ~= "object" then
    return
  end
  local open = table.find(OPEN, body:get(choice .. ".type"))
  local gone = not open and refused(body, choice, allow)
  for _, list in { choice .. ".tools", choice .. ".allowed_tools.tools" } do
    prune(body, list, allow)
    gone = gone or body:len(list) == 0
  end
  if gone then
    body:delete(choice)
  end
end

---@type ccproxy.Plugin
return {
  name = "tool_allow_list",
  version = "1.1.0",
  description = "Takes tools out of requests that are not on a list",
  config = {
    allow = ccproxy.schema.list {
      of = ccproxy.schema.string(),
      default = { "*" },
      doc = "Names; `*` is any run of characters",
    },
    refuse = ccproxy.schema.boolean { default = false, doc = "Refuse the request instead of taking tools out" },
  },
  middleware = {
    {
      layer = "security",
      when = { methods = { "POST" } },
      body = "write",
      request = function(req, plugin)
        local allow = plugin.config.allow
        local all = {}
        for _, pair in LISTS do
          local list, choice = pair[1], pair[2]
          local dropped = prune(req.body, list, allow)
          if #dropped > 0 then
            table.move(dropped, 1, #dropped, #all + 1, all)
            prune_choice(req.body, choice, allow)
            if req.body:len(list) == 0 then
              for _, what in { list, choice, "parallel_tool_calls" } do
                req.body:delete(what)
              end
            end
          end
        end
        if #all == 0 then
          return
        end
        if plugin.config.refuse then
          return ccproxy.error(
            403,
            "permission_error",
            "these tools are not allowed: " .. table.concat(all, ", ")
          )
        end
        ccproxy.log.info("tools were taken out", { tools = all })
      end,
    },
  },
}
