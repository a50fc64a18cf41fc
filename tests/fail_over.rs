//! Fail-over at the front door: who is asked next, who rests, whose answer passes, and whose credential goes where.

use serde_json::{Value, json};

use super::support::upstream::{anthropic, openai};
use super::support::{self, Answer, Config, Proxy, Reply, Upstream, eventually};

/// Two servers of one's own, `one` and `two`, behind one alias, `pair`.
struct Pair {
    one: Upstream,
    two: Upstream,
    proxy: Proxy,
}

impl Pair {
    async fn start(more: &str) -> Pair {
        let one = Upstream::with(openai::answer).await;
        let two = Upstream::with(openai::answer).await;
        let url = one.url();
        let proxy = Proxy::start(config(&url, &two, more)).await;
        Pair { one, two, proxy }
    }

    async fn ask(&self, model: &str) -> Answer {
        ask(&self.proxy, model).await
    }

    /// How often each was asked.
    fn asked(&self) -> (usize, usize) {
        (self.one.requests().len(), self.two.requests().len())
    }

    /// The state of a candidate that failed lately.
    async fn state(&self, provider: &str) -> String {
        let status = self.proxy.status().await;
        let failing = status["routing"]["failing"].as_array().cloned().unwrap_or_default();
        let found = failing.iter().find(|one| one["provider"] == provider);
        found.and_then(|one| one["state"].as_str()).unwrap_or("closed").to_owned()
    }
}

fn config(one: &str, two: &Upstream, more: &str) -> Config {
    let two = two.url();
    Config::new()
        .toml("routing.aliases.pair = [\"one/a\", \"two/b\"]")
        .toml("routing.aliases.alone = \"one/a\"")
        .toml(more)
        .toml(&format!("[providers.one]\nbase_url = \"{one}\"\napi_key = \"key-one\""))
        .toml(&format!("[providers.two]\nbase_url = \"{two}\"\napi_key = \"key-two\""))
}

async fn ask(proxy: &Proxy, model: &str) -> Answer {
    let body = json!({ "model": model, "messages": [{ "role": "user", "content": "hi" }] });
    proxy.anonymous().post("/v1/chat/completions", &body).await
}

fn refusal(status: u16) -> Reply {
    Reply::json(status, &openai::error("no", &format!("refused with {status}")))
}

fn told(answer: &Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_next_candidate_is_asked_when_another_may_mend_it() {
    support::run(async {
        let pair = Pair::start("routing.breaker_failures = 1000").await;
        for (number, status) in [408, 429, 500, 502, 503, 504, 529].into_iter().enumerate() {
            pair.one.next(refusal(status));
            let answer = pair.ask("pair").await.expect(200);
            assert_eq!(answer.header("x-ccproxy-route"), "two/b", "{status}");
            assert_eq!(pair.asked(), (number + 1, number + 1), "{status}");
        }
        let seen = pair.two.request(0).await;
        assert_eq!(seen.json()["model"], "b");
        assert_eq!(seen.header("authorization").as_deref(), Some("Bearer key-two"));
        for reply in
            [Reply::status(200).cut_before_head(), Reply::garbage("this is no HTTP at all\r\n\r\n").cut()]
        {
            pair.one.next(reply);
            assert_eq!(pair.ask("pair").await.expect(200).header("x-ccproxy-route"), "two/b");
        }
    });
}

#[test]
fn nobody_is_asked_twice_and_an_error_of_the_clients_own_is_final() {
    support::run(async {
        let pair = Pair::start("").await;
        for status in [400, 401, 403, 404, 413, 422] {
            pair.one.next(refusal(status));
            let answer = pair.ask("pair").await.expect(status);
            assert_eq!(told(&answer), format!("refused with {status}"));
            assert_eq!(answer.header("x-ccproxy-route"), "one/a");
        }
        assert_eq!(pair.asked(), (6, 0));
        pair.one.next(refusal(503));
        pair.two.next(refusal(500));
        pair.ask("pair").await.expect(503);
        assert_eq!(pair.asked(), (7, 1));
    });
}

#[test]
fn which_statuses_count_is_a_setting() {
    support::run(async {
        let pair = Pair::start("routing.fail_over_on = [404]").await;
        pair.one.next(refusal(404));
        assert_eq!(pair.ask("pair").await.expect(200).header("x-ccproxy-route"), "two/b");
        pair.one.next(refusal(503));
        pair.ask("pair").await.expect(503);
    });
}

#[test]
fn a_server_that_is_not_there_costs_nothing_but_a_moment() {
    support::run(async {
        let two = Upstream::with(openai::answer).await;
        let proxy = Proxy::start(config(&Upstream::refused().await, &two, "")).await;
        assert_eq!(ask(&proxy, "pair").await.expect(200).header("x-ccproxy-route"), "two/b");
        let alone = ask(&proxy, "alone").await.expect(502);
        assert!(told(&alone).contains("the connection was refused"), "{}", alone.text());
        // The only answer there is tells more than the lack of one.
        two.next(refusal(500));
        assert_eq!(told(&ask(&proxy, "pair").await.expect(500)), "refused with 500");
    });
}

#[test]
fn when_all_fail_the_answer_to_come_back_to_soonest_passes_unchanged() {
    support::run(async {
        /// A status, and its `retry-after`.
        type Failure = (u16, Option<&'static str>);
        let cases: [(Failure, Failure, u16); 7] = [
            ((429, Some("30")), (429, Some("7")), 2),
            ((429, Some("7")), (429, Some("30")), 1),
            ((500, None), (429, Some("30")), 2),
            ((503, Some("1")), (429, None), 1),
            ((429, None), (500, None), 1),
            ((502, None), (529, None), 2),
            ((500, None), (502, None), 1),
        ];
        for (one, two, best) in cases {
            let pair = Pair::start("").await;
            let reply = |(status, after): Failure| {
                let reply = refusal(status).header("x-request-id", "req_9");
                after.into_iter().fold(reply, |reply, after| reply.header("retry-after", after))
            };
            pair.one.next(reply(one));
            pair.two.next(reply(two));
            let (status, after) = if best == 1 { one } else { two };
            let answer = pair.ask("pair").await.expect(status);
            assert_eq!(told(&answer), format!("refused with {status}"), "{one:?} {two:?}");
            // A limit without a time gets a small one, as on any route.
            let small = if status == 429 { "2" } else { "" };
            assert_eq!(answer.header("retry-after"), after.unwrap_or(small), "{one:?} {two:?}");
            assert_eq!(answer.header("x-request-id"), "req_9");
            assert_eq!(answer.header("x-ccproxy-route"), ["one/a", "two/b"][usize::from(best) - 1]);
        }
    });
}

#[test]
fn who_asks_to_be_left_alone_is() {
    support::run(async {
        let pair = Pair::start("").await;
        pair.one.next(refusal(429).header("retry-after", "60"));
        pair.ask("pair").await.expect(200);
        assert_eq!(pair.state("one").await, "resting");
        for _ in 0..3 {
            assert_eq!(pair.ask("pair").await.expect(200).header("x-ccproxy-route"), "two/b");
        }
        assert_eq!(pair.asked(), (1, 4));
        // Where nobody could stand in it is asked all the same, and tells for itself.
        pair.one.next(refusal(429).header("retry-after", "59"));
        assert_eq!(pair.ask("alone").await.expect(429).header("retry-after"), "59");
        assert_eq!(pair.ask("alone").await.expect(200).header("x-ccproxy-route"), "one/a");
        assert_eq!(pair.state("one").await, "closed", "it answered");
        assert_eq!(pair.ask("pair").await.expect(200).header("x-ccproxy-route"), "one/a");
    });
}

#[test]
fn a_rest_ends() {
    support::run(async {
        let pair = Pair::start("routing.longest_rest = \"300ms\"").await;
        pair.one.next(refusal(503).header("retry-after", "3600"));
        pair.ask("pair").await.expect(200);
        let back = async || {
            let answer = pair.ask("pair").await.expect(200);
            (answer.header("x-ccproxy-route") == "one/a").then_some(())
        };
        eventually("the first candidate again", back).await;
        assert_eq!(pair.asked().0, 2);
    });
}

#[test]
fn when_all_rest_the_first_to_be_back_says_how_it_is() {
    support::run(async {
        let pair = Pair::start("").await;
        pair.one.next(refusal(429).header("retry-after", "60"));
        pair.two.next(refusal(429).header("retry-after", "30"));
        assert_eq!(pair.ask("pair").await.expect(429).header("retry-after"), "30");
        pair.two.next(refusal(429).header("retry-after", "29"));
        let answer = pair.ask("pair").await.expect(429);
        assert_eq!((answer.header("retry-after"), told(&answer).as_str()), ("29", "refused with 429"));
        assert_eq!(pair.asked(), (1, 2), "never an answer that nobody gave, and one request only");
        pair.ask("pair").await.expect(200);
        assert_eq!(pair.asked(), (1, 3));
    });
}

#[test]
fn one_that_rests_is_asked_before_the_lack_of_a_key_is_told() {
    support::run(async {
        let claude = Upstream::start().await;
        let config = Config::new()
            .upstream(&claude)
            .toml("routing.aliases.all = [\"claude_api/claude-x\", \"openai/gpt-x\"]");
        let proxy = Proxy::start(config).await;
        let client = proxy.anonymous().header("x-api-key", "sk-ant-own");
        let body = json!({ "model": "all", "max_tokens": 9, "messages": [] });
        let limit = Reply::json(429, &anthropic::error("rate_limit_error", "slow down"));
        claude.next(limit.clone().header("retry-after", "60"));
        client.post("/v1/messages", &body).await.expect(429);
        claude.next(limit.header("retry-after", "59"));
        assert_eq!(client.post("/v1/messages", &body).await.expect(429).header("retry-after"), "59");
        // Its limit is one on messages.
        let counted = client.post("/v1/messages/count_tokens", &body).await.expect(200);
        assert_eq!(counted.header("x-ccproxy-route"), "claude_api/claude-x");
        client.post("/v1/messages", &body).await.expect(200);
    });
}

#[test]
fn who_fails_too_often_is_left_alone() {
    support::run(async {
        let pair = Pair::start("routing.breaker_failures = 3").await;
        for _ in 0..3 {
            pair.one.next(refusal(500));
            pair.ask("pair").await.expect(200);
        }
        assert_eq!(pair.state("one").await, "open");
        pair.proxy.logged("candidate=one/a failures=3").await;
        pair.ask("pair").await.expect(200);
        assert_eq!(pair.asked(), (3, 4));
        let told = cli_status(&pair.proxy).await;
        assert!(told.contains("one/a") && told.contains("open"), "{told}");
    });
}

#[test]
fn a_circuit_closes_when_one_that_tries_is_answered() {
    support::run(async {
        let more = "routing.breaker_failures = 1\nrouting.breaker_cooldown = \"100ms\"";
        let pair = Pair::start(more).await;
        let half_open = async || (pair.state("one").await == "half_open").then_some(());
        for number in 1..=2 {
            pair.one.next(refusal(500));
            pair.ask("pair").await.expect(200);
            assert_eq!(pair.asked(), (number, number));
            eventually("half open", half_open).await;
        }
        assert_eq!(pair.ask("pair").await.expect(200).header("x-ccproxy-route"), "one/a");
        assert_eq!(pair.state("one").await, "closed");
        pair.proxy.logged("the circuit is closed").await;
    });
}

/// What `ccproxy status` prints.
async fn cli_status(proxy: &Proxy) -> String {
    let url = format!("http://{}", proxy.address());
    let (code, out, err) = support::proxy::cli(Config::new(), &["status", "--url", &url]).await;
    assert_eq!(code, 0, "{err}");
    out
}

#[test]
fn exactly_one_request_tries() {
    support::run(async {
        let more = "routing.breaker_failures = 1\nrouting.breaker_cooldown = \"100ms\"";
        let pair = Pair::start(more).await;
        pair.one.next(refusal(500));
        pair.ask("pair").await.expect(200);
        eventually("half open", async || (pair.state("one").await == "half_open").then_some(())).await;
        let gate = support::upstream::Gate::default();
        pair.one.next(Reply::json(200, &openai::chat("well again")).gate_before_head(&gate));
        let others = async {
            pair.one.request(1).await;
            for _ in 0..3 {
                assert_eq!(pair.ask("pair").await.expect(200).header("x-ccproxy-route"), "two/b");
            }
            gate.open();
        };
        let (tried, ()) = tokio::join!(pair.ask("pair"), others);
        assert_eq!(tried.expect(200).header("x-ccproxy-route"), "one/a");
        assert_eq!((pair.asked().0, pair.state("one").await.as_str()), (2, "closed"));
    });
}

#[test]
fn one_that_tries_and_leaves_lets_the_next_one_try() {
    support::run(async {
        let more = "routing.breaker_failures = 1\nrouting.breaker_cooldown = \"100ms\"";
        let pair = Pair::start(more).await;
        pair.one.next(refusal(500));
        pair.ask("pair").await.expect(200);
        eventually("half open", async || (pair.state("one").await == "half_open").then_some(())).await;
        pair.one.next(Reply::status(200).stall_before_head());
        let mut leaving = pair.proxy.raw().await;
        leaving.post("/v1/chat/completions", "{\"model\":\"pair\",\"messages\":[]}").await;
        let seen = pair.one.request(1).await;
        drop(leaving);
        seen.closed_after(std::time::Instant::now()).await;
        let back = async || {
            let answer = pair.ask("pair").await.expect(200);
            (answer.header("x-ccproxy-route") == "one/a").then_some(())
        };
        eventually("the next one to try", back).await;
    });
}

#[test]
fn a_candidate_that_stalls_is_waited_for_unless_it_may_cost_twice() {
    support::run(async {
        for (setting, status) in [("false", 504), ("true", 200)] {
            let more = format!("upstream.head_timeout = \"300ms\"\nrouting.fail_over_on_timeout = {setting}");
            let pair = Pair::start(&more).await;
            pair.one.next(Reply::status(200).stall_before_head());
            let answer = pair.ask("pair").await.expect(status);
            if status == 504 {
                assert!(told(&answer).contains("upstream.head_timeout"), "{}", answer.text());
            }
            assert_eq!(pair.asked(), (1, usize::from(status == 200)));
        }
    });
}

#[test]
fn every_attempt_is_told() {
    const EVENTS: &str = r#"local seen = {}
local function note(event)
  -- The question for what was seen is an exchange, too.
  if event.model == ccproxy.null then return end
  table.insert(seen, { name = event.name, provider = event.provider, model = event.model, status = event.status, attempts = event.attempts or event.attempt })
end
return { name = "events", version = "1.0.0",
  hooks = { ["provider.request.sent"] = note, ["provider.error"] = note, ["provider.response.received"] = note, ["request.completed"] = note },
  routes = { { path = "/seen", handler = function() return { json = ccproxy.json.array(seen) } end } } }"#;
    support::run(async {
        let two = Upstream::with(openai::answer).await;
        let three = Upstream::with(openai::answer).await;
        let more = format!("[providers.three]\nbase_url = \"{}\"", three.url());
        let config = config(
            &Upstream::refused().await,
            &two,
            "routing.aliases.all = [\"one/a\", \"two/b\", \"three/c\"]",
        )
        .toml(&more)
        .script("events", EVENTS);
        let proxy = Proxy::start(config).await;
        two.next(refusal(503));
        ask(&proxy, "all").await.expect(200);
        let seen = eventually("the events", async || {
            let seen = proxy.anonymous().get("/events/seen").await.expect(200).json();
            let seen = seen.as_array().cloned().unwrap_or_default();
            seen.iter().any(|event| event["name"] == "request.completed").then_some(seen)
        })
        .await;
        let lines: Vec<String> = seen
            .iter()
            .map(|event| {
                let number =
                    |key: &str| event[key].as_u64().map(|number| format!(" {number}")).unwrap_or_default();
                let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
                format!(
                    "{} {}/{}{}{}",
                    text("name"),
                    text("provider"),
                    text("model"),
                    number("status"),
                    number("attempts")
                )
            })
            .collect();
        assert_eq!(
            lines,
            [
                "provider.request.sent one/a 1",
                "provider.error one/a",
                "provider.request.sent two/b 2",
                "provider.response.received two/b 503",
                "provider.request.sent three/c 3",
                "provider.response.received three/c 200",
                "request.completed three/all 200 3",
            ]
        );
    });
}

/// Every server that was asked, and the credential it saw.
async fn credentials(model: &str, fields: &[(&str, &str)]) -> (u16, Vec<String>, Value) {
    let failing = |_: &support::upstream::Recorded| refusal(503);
    let (claude, gpt, lan) =
        (Upstream::with(failing).await, Upstream::with(failing).await, Upstream::with(failing).await);
    let config = Config::new()
        .upstream(&claude)
        .toml(&format!("plugins.openai.base_url = \"{}\"", gpt.url()))
        .toml("routing.aliases.all = [\"claude_api/claude-x\", \"openai/gpt-x\", \"lan/llama\"]")
        .toml("routing.aliases.back = [\"lan/llama\", \"openai/gpt-x\", \"claude_api/claude-x\"]")
        .toml(&format!("[providers.lan]\nbase_url = \"{}\"", lan.url()));
    let proxy = Proxy::start(config).await;
    let mut client = proxy.anonymous();
    for (name, value) in fields {
        client = client.header(name, value);
    }
    let body = json!({ "model": model, "max_tokens": 9, "messages": [{ "role": "user", "content": "hi" }] });
    let path = if fields[0].0 == "x-api-key" { "/v1/messages" } else { "/v1/chat/completions" };
    let answer = client.post(path, &body).await;
    let saw = |name: &str, upstream: &Upstream| {
        let seen = upstream.requests().first().cloned()?;
        let fields = ["authorization", "x-api-key", "x-goog-api-key"];
        let values: Vec<String> = fields.iter().filter_map(|field| seen.header(field)).collect();
        Some(format!("{name}: {}", values.join(" ")))
    };
    let seen = [saw("claude", &claude), saw("openai", &gpt), saw("lan", &lan)];
    (answer.status.as_u16(), seen.into_iter().flatten().collect(), answer.json())
}

#[test]
fn a_clients_own_credential_goes_to_its_issuer_and_to_nobody_else() {
    support::run(async {
        // Anthropic's goes to Anthropic, wherever it stands in the list.
        let (_, seen, _) = credentials("all", &[("x-api-key", "sk-ant-own")]).await;
        assert_eq!(seen, ["claude: sk-ant-own", "lan: "]);
        let (_, seen, _) = credentials("back", &[("authorization", "Bearer sk-ant-own")]).await;
        assert_eq!(seen, ["claude: Bearer sk-ant-own", "lan: "]);
        // OpenAI's to OpenAI.
        let (_, seen, _) = credentials("all", &[("authorization", "Bearer sk-proj-own")]).await;
        assert_eq!(seen, ["openai: Bearer sk-proj-own", "lan: "]);
        // Another's to neither, though nobody else may have one.
        let (status, seen, answer) = credentials("claude-x", &[("x-api-key", "sk-proj-own")]).await;
        assert_eq!((status, seen), (401, vec![]));
        let told = answer["error"]["message"].as_str().unwrap();
        assert!(
            told.contains("is not passed on to `claude_api`") && told.contains("ANTHROPIC_API_KEY"),
            "{told}"
        );
        let (status, seen, _) = credentials("openai/gpt-x", &[("x-api-key", "sk-ant-own")]).await;
        assert_eq!((status, seen), (401, vec![]));
        let (status, seen, _) = credentials("gpt-x", &[("authorization", "Bearer gsk_own")]).await;
        assert_eq!((status, seen), (401, vec![]));
        // One that tells nothing goes to the first, where that one speaks the client's own format.
        let (_, seen, _) = credentials("all", &[("x-api-key", "plain")]).await;
        assert_eq!(seen, ["claude: plain", "lan: "]);
        let (_, seen, _) = credentials("back", &[("authorization", "Bearer plain")]).await;
        assert_eq!(seen, ["lan: Bearer plain"]);
        let (status, seen, _) = credentials("claude-x", &[("authorization", "Bearer plain")]).await;
        assert_eq!((status, seen), (401, vec![]), "a key of OpenAI's client does not go to Anthropic");
        let (_, seen, _) = credentials("back", &[("x-api-key", "plain"), ("x-goog-api-key", "other")]).await;
        assert_eq!(seen, ["lan: "], "turned, so nothing passes");
    });
}

#[test]
fn a_plugin_that_sends_a_request_elsewhere_does_not_send_the_credential_along() {
    const ELSEWHERE: &str = r#"return { name = "elsewhere", version = "1.0.0", middleware = { { layer = "routing",
  request = function(req) req.provider = "openai" end } } }"#;
    support::run(async {
        let gpt = Upstream::with(openai::answer).await;
        let config = Config::new().toml(&format!("plugins.openai.base_url = \"{}\"", gpt.url()));
        let proxy = Proxy::start(config.script("elsewhere", ELSEWHERE)).await;
        let ask = async |name: &str, key: &str| {
            let body = json!({ "model": "gpt-5", "messages": [{ "role": "user", "content": "hi" }] });
            proxy.anonymous().header(name, key).post("/claude/v1/chat/completions", &body).await
        };
        let refused = ask("x-api-key", "sk-ant-own").await.expect(401);
        assert!(told(&refused).contains("is not passed on to `openai`"), "{}", refused.text());
        assert_eq!(gpt.requests().len(), 0);
        ask("authorization", "Bearer sk-proj-own").await.expect(200);
        assert_eq!(gpt.request(0).await.header("authorization").as_deref(), Some("Bearer sk-proj-own"));
    });
}

#[test]
fn a_plugin_that_tries_again_finds_the_credential_where_it_was() {
    const AGAIN: &str = r#"return { name = "again", version = "1.0.0", middleware = { { layer = "application",
  around = function(req, next)
    local res = next()
    if res.status == 503 then res = next() end
    return res
  end } } }"#;
    support::run(async {
        let claude = Upstream::start().await;
        let proxy = Proxy::start(Config::new().upstream(&claude).script("again", AGAIN)).await;
        claude.next(Reply::json(503, &anthropic::error("overloaded_error", "not now")));
        let client = proxy.anonymous().header("x-api-key", "sk-ant-own");
        let body = json!({ "model": "claude-opus-5-5", "max_tokens": 9, "messages": [] });
        client.post("/v1/messages", &body).await.expect(200);
        for seen in claude.requests() {
            assert_eq!(seen.header("x-api-key").as_deref(), Some("sk-ant-own"));
        }
        assert_eq!(claude.requests().len(), 2);
    });
}

#[test]
fn a_request_that_one_cannot_take_goes_to_another() {
    support::run(async {
        let claude = Upstream::start().await;
        let gpt = Upstream::with(openai::answer).await;
        let config = Config::new()
            .upstream(&claude)
            .toml("plugins.claude_api.api_key = \"sk-ant-house\"")
            .toml(&format!("plugins.openai.base_url = \"{}\"", gpt.url()))
            .toml("plugins.openai.api_key = \"sk-proj-house\"")
            .toml("routing.aliases.both = [\"claude_api/claude-x\", \"openai/gpt-5\"]");
        let proxy = Proxy::start(config).await;
        let body = json!({ "model": "both", "input": "hi", "previous_response_id": "resp_1" });
        let answer = proxy.anonymous().post("/v1/responses", &body).await.expect(200);
        assert_eq!(answer.header("x-ccproxy-route"), "openai/gpt-5");
        assert_eq!(answer.header("x-ccproxy-loss"), "", "nothing is told of the one that was not asked");
        let body = json!({ "model": "claude-x", "input": "hi", "previous_response_id": "resp_1" });
        let refused = proxy.anonymous().post("/v1/responses", &body).await.expect(400);
        assert!(told(&refused).contains("resp_1"), "{}", refused.text());
        assert_eq!(claude.requests().len(), 0);
    });
}
