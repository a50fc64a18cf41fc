-- What is decided without a person: rules of the configuration first, then those of a file that "always"
-- writes. The first that matches counts.

local FILE = "rules.toml"
-- Most bytes of the file, and most rules in it.
local LARGEST = 256 * 1024
local MOST = 1000

local KINDS = {
  action = "string",
  tool = "string",
  client = "string",
  path = "string",
  source = "string",
  message = "string",
  arguments = "table",
  exact = "boolean",
}
---@type table<string, boolean>
local ACTIONS = { allow = true, deny = true, ask = true }

-- A rule ready for use, or what is wrong with it.
local function compile(rule)
  for key, value in pairs(rule) do
    if KINDS[key] == nil then
      return nil, string.format("a rule has no key `%s`", tostring(key))
    elseif type(value) ~= KINDS[key] then
      return nil, string.format("`%s` is a %s, not a %s", key, type(value), KINDS[key])
    end
  end
  if not ACTIONS[rule.action] then
    return nil, "`action` is `allow`, `deny` or `ask`"
  end
  local ready = {
    action = rule.action,
    tool = rule.tool or "*",
    client = rule.client or "*",
    path = rule.path or "*",
    source = rule.source or "*",
    message = rule.message,
    exact = rule.exact == true,
    arguments = {},
  }
  for name, pattern in pairs(rule.arguments or {}) do
    if type(pattern) ~= "string" then
      return nil, string.format("the pattern of `arguments.%s` is no text", tostring(name))
    end
    local compiled, err = ccproxy.re.compile(pattern)
    if not compiled then
      return nil, string.format("`arguments.%s`: %s", tostring(name), tostring(err))
    end
    ready.arguments[name] = compiled
  end
  return ready
end

local function compile_all(list)
  if type(list) ~= "table" or (next(list) ~= nil and list[1] == nil) then
    return nil, "`rules` is a list of tables: `[[rules]]`"
  elseif #list > MOST then
    return nil, string.format("more than %d rules", MOST)
  end
  local ready = {}
  for number, rule in ipairs(list) do
    local one, why = compile(type(rule) == "table" and rule or {})
    if not one then
      return nil, string.format("rule %d: %s", number, why)
    end
    table.insert(ready, one)
  end
  return ready
end

-- An argument as the pattern of a rule sees it: text as it is, anything else as JSON.
local function spelled(value)
  return type(value) == "string" and value or ccproxy.json.encode(value)
end

local function arguments_match(rule, input)
  if next(rule.arguments) == nil and not rule.exact then
    return true
  end
  if type(input) ~= "table" then
    -- What cannot be read is never allowed by its arguments, and never escapes a rule against them.
    return rule.action ~= "allow"
  end
  for name, pattern in pairs(rule.arguments) do
    if input[name] == nil or not pattern:is(spelled(input[name])) then
      return false
    end
  end
  if rule.exact then
    for name in pairs(input) do
      if rule.arguments[name] == nil then
        return false
      end
    end
  end
  return true
end

local function matches(rule, ask)
  local glob = ccproxy.re.glob
  return glob(rule.tool, ask.tool)
    and glob(rule.client, ask.client)
    and glob(rule.path, ask.path)
    and glob(rule.source, ask.source)
    and arguments_match(rule, ask.input)
end

local function first(list, ask)
  for number, rule in ipairs(list) do
    if matches(rule, ask) then
      return rule, number
    end
  end
  return nil
end

local configured = {}
-- The file as it was read last.
---@type { text: string?, rules: table[], problem: string? }
local file = { text = nil, rules = {}, problem = nil }

local function configure(list)
  local ready, why = compile_all(list)
  if not ready then
    error(string.format("`rules`: %s", why))
  end
  configured = ready
end

-- The rules of a text, or what is wrong with it.
local function read(text)
  local found, wrong = ccproxy.toml.decode(text)
  if not found then
    return nil, tostring(wrong)
  end
  for key in pairs(found) do
    if key ~= "rules" then
      return nil,
        string.format("there is no key `%s` at its top: rules are written as `[[rules]]`", tostring(key))
    end
  end
  return compile_all(found.rules or {})
end

-- Reads the file when it has changed. It waits for the disk.
local function reload()
  local text, err = ccproxy.file.read(FILE, { max_size = LARGEST })
  if err and err.status == 404 then
    text = ""
  end
  if text == nil then
    file = { text = nil, rules = {}, problem = tostring(err) }
  elseif text ~= file.text then
    local ready, why = read(text)
    file = { text = text, rules = ready or {}, problem = why }
    if why then
      ccproxy.log.error(
        "the rules file cannot be used, its rules do not count",
        { file = FILE, reason = why }
      )
    end
  end
end

-- What the rules say: the rule and where it stands, or nothing.
local function find(ask)
  local rule, number = first(configured, ask)
  if rule then
    return rule, "configuration rule " .. number
  end
  reload()
  rule, number = first(file.rules, ask)
  if rule then
    return rule, FILE .. " rule " .. number
  end
  return nil
end

-- The rule that decides the same call in the same way from now on: this tool with these arguments alone, or
-- this tool whatever it is given.
local function rule_for(ask, action, scope)
  local rule = { action = action, tool = ask.tool, source = ask.source }
  if string.find(rule.tool, "*", 1, true) then
    return nil, "the name of this tool has a `*`, which a rule would take for any run of characters"
  end
  if scope == "tool" then
    return rule
  end
  if type(ask.input) ~= "table" then
    return nil, "the arguments of this call cannot be read, so no rule can name them"
  end
  rule.exact = true
  rule.arguments = {}
  for name, value in pairs(ask.input) do
    if type(name) ~= "string" then
      return nil, "the arguments of this call have no names, so no rule can name them"
    end
    rule.arguments[name] = "\\A" .. ccproxy.re.escape(spelled(value)) .. "\\z"
  end
  return rule
end

-- Writes a rule to the file. Waits for the disk.
local function remember(ask, action, scope, who)
  local rule, why = rule_for(ask, action, scope)
  if not rule then
    return nil, why
  end
  local _, wrong = compile(rule)
  if wrong then
    return nil, wrong
  end
  reload()
  if file.problem then
    return nil, "the rules file cannot be used: " .. file.problem
  end
  local text =
    string.format("# %s, by %s\n%s\n", ccproxy.time.iso(), who, ccproxy.toml.encode({ rules = { rule } }))
  local before = file.text or ""
  if before ~= "" and string.sub(before, -1) ~= "\n" then
    text = "\n" .. text
  end
  if #text + #before > LARGEST or #file.rules >= MOST then
    return nil, "the rules file is full"
  end
  -- What stands there may be right and yet take nothing after it.
  local sum, spoilt = read(before .. text)
  if not sum or #sum ~= #file.rules + 1 then
    return nil,
      string.format(
        "the rules file takes no further rule; write its rules as `[[rules]]` (%s)",
        spoilt or "they do not add up"
      )
  end
  local done, err = ccproxy.file.append(FILE, text)
  if not done then
    return nil, tostring(err)
  end
  ccproxy.file.flush()
  return true
end

return {
  configure = configure,
  find = find,
  remember = remember,
  problem = function()
    return file.problem
  end,
  reload = reload,
  -- How many there are: of the configuration, of the file.
  counts = function()
    return #configured, #file.rules
  end,
}
