-- What every test file may use.

--- Asserts that `f(...)` raises an error whose text holds `needle`.
function raises(needle, f, ...)
  local ok, err = pcall(f, ...)
  assert(not ok, "expected an error with `" .. needle .. "`, got none")
  local text = tostring(err)
  assert(string.find(text, needle, 1, true), "expected `" .. needle .. "` in `" .. text .. "`")
end

--- Asserts that two values are equal, and shows them when they are not.
function equal(got, expected)
  if got ~= expected then
    error("expected `" .. tostring(expected) .. "`, got `" .. tostring(got) .. "`", 2)
  end
end

local met = {}

local function note(name, f)
  met[name] = {}
  return function(...)
    local results = table.pack(pcall(f, ...))
    local failed = not results[1] or (results[2] == nil and results[3] ~= nil)
    met[name][if failed then "bad" else "good"] = true
    if not results[1] then
      error(results[2], 0)
    end
    return table.unpack(results, 2, results.n)
  end
end

--- Notes, from now on, which functions of the table went well and which failed.
function watch(api)
  for name, value in api do
    if type(value) == "function" then
      api[name] = note(name, value)
    elseif type(value) == "table" then
      for member, f in value do
        if type(f) == "function" then
          value[member] = note(name .. "." .. member, f)
        end
      end
    end
  end
end

--- The functions whose name begins so and that had no good or no bad case, with the case they lack.
function unmet(prefix)
  local list = {}
  for name, cases in met do
    if name == prefix or string.sub(name, 1, #prefix + 1) == prefix .. "." then
      for _, case in { "good", "bad" } do
        if not cases[case] then
          table.insert(list, name .. ": " .. case)
        end
      end
    end
  end
  table.sort(list)
  return list
end
