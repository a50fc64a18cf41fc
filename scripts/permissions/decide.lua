-- One tool call: rules, then a person, then what the configuration says when nobody answers.

local ledger = require("ledger")
local rules = require("rules")

-- Longest name of a tool in bytes.
local LONGEST_NAME = 256

local function log(ask, outcome)
  ccproxy.log.info(outcome.allow and "tool call allowed" or "tool call denied", {
    tool = ask.tool,
    by = outcome.by,
    source = ask.source,
    client = ask.client,
    session = ask.session,
    request = outcome.id,
    edited = outcome.raw ~= nil,
    always = outcome.always,
  })
  return outcome
end

local function denied(by, message)
  return { allow = false, by = by, message = message }
end

local function of_record(record, config)
  if record == nil then
    return denied("error", "the decision was lost")
  end
  local outcome = { id = record.id, message = record.message, by = record.by, always = record.always }
  if record.status == "allowed" then
    outcome.allow, outcome.raw = true, record.edited
  elseif record.status == "denied" then
    outcome.allow = false
    outcome.message = record.message or "a person said no"
  elseif record.status == "expired" then
    outcome.allow, outcome.by = config.on_timeout == "allow", "timeout"
    outcome.message = "nobody decided in time"
  else
    outcome.allow, outcome.by = false, "withdrawn"
  end
  return outcome
end

-- Decides about `ask`: `tool`, `raw` (its arguments as JSON), `client`, `source`, `path`, perhaps `session`.
-- The outcome has `allow`, `by`, and perhaps `raw` (other arguments) and `message`. It waits.
local function decide(ask, plugin, beat)
  local config = plugin.config
  if #ask.tool > LONGEST_NAME then
    ask.tool = string.sub(ask.tool, 1, LONGEST_NAME)
    return log(ask, denied("size", "the name of the tool is too long"))
  end
  if #ask.raw > config.max_input then
    local text = "the arguments are larger than `plugins.permissions.max_input`"
    return log(ask, denied("size", text))
  end
  local read = ccproxy.json.decode(ask.raw)
  ask.input = type(read) == "table" and read or nil
  local rule, where = rules.find(ask)
  local action = rule and rule.action or config.default
  if not rule and rules.problem() and action == "allow" then
    -- The rules that cannot be read may have denied it.
    action = "ask"
  end
  local by = where or "default"
  if action == "allow" then
    return log(ask, { allow = true, by = by })
  elseif action == "deny" then
    return log(ask, denied(by, rule and rule.message or "a rule forbids it"))
  end
  local record, full = ledger.open(ask, plugin)
  if not record then
    return log(ask, denied("full", full))
  end
  return log(ask, of_record(ledger.wait(record, beat), config))
end

return decide
