-- One line for each exchange, in a file that is turned over by size.

local lines = require("lines")

local function excluded(config, path)
  for _, pattern in config.exclude_paths do
    local stem = string.match(pattern, "^(.*)%*$")
    if path == pattern or (stem and string.sub(path, 1, #stem) == stem) then
      return true
    end
  end
  return false
end

local function write(event, plugin)
  local config = plugin.config
  if excluded(config, event.path) then
    return
  end
  local line = lines[config.format](event)
  if config.file ~= "" then
    local ok, err = ccproxy.file.append(config.file, line .. "\n", { max_size = config.max_size, keep = config.keep })
    if not ok then
      ccproxy.log.warn("an access line was lost", { reason = tostring(err) })
    end
  end
  if config.console then
    ccproxy.log.info(line)
  end
end

---@type ccproxy.Plugin
return {
  name = "access_log",
  version = "1.0.0",
  description = "Access log: structured, common or combined",
  enabled = false,
  capabilities = { "files" },
  config = {
    format = ccproxy.schema.enum({ "structured", "common", "combined" }, {
      default = "structured",
      doc = "`structured` is a JSON object a line; `common` and `combined` are what web servers write",
    }),
    file = ccproxy.schema.path({
      default = "access.log",
      doc = "The file; a relative name is in the plugin's data folder, empty is none",
    }),
    console = ccproxy.schema.boolean({ default = false, doc = "Whether the lines go to the log as well" }),
    max_size = ccproxy.schema.size({ default = "10MiB", doc = "The file is turned over beyond this size; 0 is never" }),
    keep = ccproxy.schema.integer({ default = 5, min = 0, max = 100, doc = "Old files that are kept" }),
    exclude_paths = ccproxy.schema.list({
      of = ccproxy.schema.string({}),
      default = { "/health*" },
      doc = "Paths that are not logged; a path that ends in `*` stands for all that begin so",
    }),
  },
  hooks = {
    ["request.completed"] = write,
    ["request.failed"] = write,
  },
  shutdown = function()
    ccproxy.file.flush()
  end,
}
