-- One line for each exchange, in a file that is turned over by size.

local lines = require("lines")

---@type { lines: integer, lost: integer }
local counts = { lines = 0, lost = 0 }

local function write(event, plugin)
  local config = plugin.config
  if ccproxy.re.glob(config.exclude_paths, event.path) then
    return
  end
  local line = lines[config.format](event)
  counts.lines = counts.lines + 1
  if config.to_file then
    local rotation = { max_size = config.max_size, keep = config.keep }
    local ok, err = ccproxy.file.append(config.file, line .. "\n", rotation)
    if not ok then
      counts.lost = counts.lost + 1
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
    file = ccproxy.schema.path {
      default = "access.log",
      doc = "The file; the default is in the plugin's data folder",
    },
    to_file = ccproxy.schema.boolean { default = true, doc = "Whether the lines go to the file" },
    console = ccproxy.schema.boolean { default = false, doc = "Whether the lines go to the proxy's log" },
    max_size = ccproxy.schema.size {
      default = "10MiB",
      doc = "The file is turned over beyond this size; 0 is never",
    },
    keep = ccproxy.schema.integer { default = 5, min = 0, max = 100, doc = "Old files that are kept" },
    exclude_paths = ccproxy.schema.list {
      of = ccproxy.schema.string(),
      default = { "/health*" },
      doc = "Paths that are not logged; `*` is any run of characters",
    },
  },
  hooks = {
    ["request.completed"] = write,
    ["request.failed"] = write,
  },
  snapshot = function()
    return counts
  end,
  setup = function(_, previous)
    counts = previous or counts
  end,
  health = function()
    if counts.lost > 0 then
      return "warn", counts.lost .. " lines were lost: the disk is behind", counts
    end
    return "pass", counts.lines .. " lines", counts
  end,
  shutdown = function()
    ccproxy.file.flush()
  end,
}
