-- Refuses prompts that hold keys and passwords, before they leave the machine.

-- A secret begins where a word does; also after the `\n` of JSON that stands in a text, as arguments of tools do.
local function begins(pattern)
  return assert(ccproxy.re.compile([[(?-u:\b|\\[nrt])(?:]] .. pattern .. ")"))
end

local PATTERNS = {
  { name = "AWS access key", pattern = begins([=[(?:AKIA|ASIA)[0-9A-Z]{16}(?-u:\b)]=]) },
  { name = "GitHub token", pattern = begins([=[gh[pousr]_[A-Za-z0-9]{36,}]=]) },
  { name = "private key", pattern = assert(ccproxy.re.compile([=[-----BEGIN [A-Z ]*PRIVATE KEY-----]=])) },
  { name = "Slack token", pattern = begins([=[xox[abprs]-[A-Za-z0-9-]{10,}]=]) },
  { name = "provider key", pattern = begins([=[sk-(?:ant-|proj-)?[A-Za-z0-9_-]{20,}]=]) },
  {
    name = "password",
    -- Also at the end of a name, such as `DB_PASSWORD`.
    pattern = assert(
      ccproxy.re.compile([=[(?i:password|passwd|secret)\\*["']?\s*[:=]\s*\\*["']?[^\s"'\\]{8,}]=])
    ),
  },
}
-- A picture or a file.
local DATA = "^data:[%w/+.;=-]*;base64,"
-- Texts are searched together, until they are so long.
local TOGETHER = 64 * 1024

-- Every text at any depth, with the key it stands under. The bytes of the body will not do: a new line is spelled `\n`
-- there, and a quote `\"`.
---@param value any
local function each_text(value, key, visit)
  if type(value) == "string" then
    if not string.find(value, DATA) then
      visit(key .. ": " .. value)
    end
  elseif type(value) == "table" and value.type ~= "base64" then
    for name, item in value do
      each_text(item, type(name) == "string" and name or key, visit)
    end
  end
end

-- The kinds of secrets in a value.
local function secrets_in(value)
  local found = {}
  local texts, size = {}, 0
  local function search()
    -- The quotes keep one text apart from the next.
    local text = table.concat(texts, '"\n"')
    texts, size = {}, 0
    for _, one in PATTERNS do
      found[one.name] = found[one.name] or one.pattern:is(text)
    end
  end
  each_text(value, "", function(text)
    table.insert(texts, text)
    size = size + #text
    if size > TOGETHER then
      search()
    end
  end)
  search()
  return found
end

---@type ccproxy.Plugin
return {
  name = "secrets_scanner",
  version = "1.1.0",
  description = "Refuses prompts with keys and passwords in them",
  config = {
    only_warn = ccproxy.schema.boolean { default = false, doc = "Log it and let it pass" },
    except = ccproxy.schema.list {
      of = ccproxy.schema.string(),
      default = {},
      doc = "Names of patterns that do not count",
    },
  },
  middleware = {
    {
      layer = "security",
      when = { methods = { "POST" } },
      body = "read",
      request = function(req, plugin)
        local found = secrets_in(req.body:table() or req.body:text())
        for _, one in PATTERNS do
          if found[one.name] and not table.find(plugin.config.except, one.name) then
            ccproxy.log.warn(
              "a prompt holds a secret",
              { kind = one.name, client = req.client.id, id = req.id }
            )
            if not plugin.config.only_warn then
              return ccproxy.error(
                400,
                "invalid_request_error",
                "the prompt holds what looks like a " .. one.name
              )
            end
          end
        end
      end,
    },
  },
}
