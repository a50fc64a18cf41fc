local file = ccproxy.file

equal(#file.list(), 0)
equal(file.append("logs/a.log", "one\n"), true)
equal(file.append("logs/a.log", "two\n", { max_size = 100, keep = 2 }), true)
equal(file.append("b", "x"), true)
file.flush()
equal(table.concat(file.list(), " "), "b logs")
equal(table.concat(file.list("logs"), " "), "a.log")
equal(file.remove("b"), true)
file.flush()
equal(table.concat(file.list(), " "), "logs")

for _, path in { "", "../x", "./x", "a/../../x", "a\0b" } do
  raises("relative to the plugin's data folder", file.append, path, "x")
  raises("relative to the plugin's data folder", file.remove, path)
end
raises("one that the operator wrote", file.append, "/etc/passwd", "x")
local ok, err = file.append("big", ("x"):rep(9 * 1024 * 1024))
equal(ok, nil)
equal(err.type, "file")
raises("expected string, got nil", file.append, "a")
raises("unknown option `size`", file.append, "a", "x", { size = 1 })
raises("relative to the plugin's data folder", file.list, "../x")
raises("bad argument #1 to `ccproxy.file.list`: expected string, got 1", file.list, 1)
equal(#file.list("nothing"), 0)
raises("expected string, got nil", file.remove)
