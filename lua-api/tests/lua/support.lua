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
