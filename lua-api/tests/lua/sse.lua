local sse = ccproxy.sse

equal(sse.encode { data = "hi" }, "data: hi\n\n")
equal(
  sse.encode { event = "tick", data = { n = 1 }, id = "7", retry = 500 },
  'event: tick\nid: 7\nretry: 500\ndata: {"n":1}\n\n'
)
equal(sse.encode { data = "a\nb\r\nc\rd" }, "data: a\ndata: b\ndata: c\ndata: d\n\n")
equal(sse.encode { comment = "ping" }, ": ping\n\n")
equal(sse.encode { data = "" }, "data: \n\n")

local events = sse.parse(": hello\n\nevent: a\r\nid: 1\r\ndata:x\r\ndata: y\r\n\r\ndata: [DONE]\n\ndata: cut")
equal(#events, 2)
equal(events[1].event, "a")
equal(events[1].data, "x\ny")
equal(events[1].id, "1")
equal(events[2].event, "message")
equal(events[2].data, "[DONE]")
equal(#sse.parse(""), 0)
equal(sse.parse(sse.encode { event = "e", data = "x\ny", retry = 5 })[1].retry, "5")

raises("expected table", sse.encode, "x")
raises("without any field", sse.encode, {})
raises("`event` is one line", sse.encode, { event = "a\ndata: forged" })
raises("`id` is text", sse.encode, { id = {} })
raises("`retry` is a whole number", sse.encode, { retry = -1 })
raises("an event has `event`", sse.encode, { date = "x" })
raises("larger than", sse.encode, { data = ("x"):rep(9 * 1024 * 1024) })
raises("expected string", sse.parse, {})
