//! `ccproxy models`: what can be asked for, at the running proxy or straight from the providers.

use std::net::{Ipv4Addr, SocketAddr};

use ccproxy_core::document::Document;
use ccproxy_core::exchange::{Client, Exchange, Peer, Request};
use ccproxy_core::router::Target as Answers;
use clap::Args;
use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};

use super::context::block_on;
use super::output::Output;
use super::running::Target;
use super::{Failure, Global, Outcome, unstarted};
use crate::config::Loaded;

/// Where the list is.
const PATH: &str = "/v1/models";
/// Largest list.
const LARGEST: usize = 64 << 20;

/// List the models that can be asked for
///
/// The running proxy is asked when one answers; otherwise the providers, with the credentials that the
/// configuration and the environment hold.
#[derive(Debug, Args)]
pub(crate) struct Models {
    #[command(flatten)]
    target: Target,
    /// Ask no running proxy
    #[arg(long)]
    offline: bool,
    /// Only the models of this provider
    #[arg(long, value_name = "NAME")]
    provider: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Models {
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let loaded = global.load_sound(output)?;
        let mut list = block_on(async {
            let proxy = self.target.proxy(&loaded)?;
            match !self.offline && proxy.runs().await {
                true => proxy.get(PATH).await,
                false => ask_providers(&loaded).await,
            }
        })?;
        if let Some(provider) = &self.provider {
            only(&mut list, provider)?;
        }
        if self.json {
            output.json(&list);
            return Ok(());
        }
        let rows: Vec<Vec<String>> = items(&list, "data").map(row).collect();
        output.table(&["MODEL", "NAME"], &rows);
        for one in items(&list, "left_out") {
            let text = |key: &str| one[key].as_str().unwrap_or_default();
            output.line(format!("left out: {}: {}", text("provider"), text("reason")));
        }
        Ok(())
    }
}

/// The same list without a proxy.
async fn ask_providers(loaded: &Loaded) -> Result<Value, Failure> {
    let generation = unstarted::generation(loaded);
    let failed = |error: ccproxy_core::Error| Failure::new(error.message().to_owned());
    let (route, params) = generation.router.find(&Method::GET, PATH).map_err(|error| {
        failed(error).with_hint("the plugin `front_door` is off; `ccproxy plugins list` says by what")
    })?;
    let Answers::Handler(handler) = &route.target else {
        return Err(Failure::new("the plugin `front_door` does not start"));
    };
    let request = Request {
        method: Method::GET,
        uri: Uri::from_static(PATH),
        headers: HeaderMap::new(),
        body: Document::default(),
        params,
        provider: None,
        model: None,
        stream: false,
        format: None,
    };
    let peer = Peer { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), tls: false, http2: false };
    let exchange = Exchange::begin(peer, Client::anonymous(), generation.clone(), request);
    let answer = handler.call(&exchange).await.map_err(failed)?;
    let bytes = answer.body.collect(LARGEST).await.map_err(failed)?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::new(format!("the list is not JSON: {error}")))
}

/// Leaves the models of one provider, which must be in the list or left out of it.
fn only(list: &mut Value, provider: &str) -> Result<(), Failure> {
    let prefix = format!("{provider}/");
    let own = |model: &Value| model["id"].as_str().is_some_and(|id| id.starts_with(&prefix));
    let models: Vec<Value> = items(list, "data").filter(|model| own(model)).cloned().collect();
    let left_out: Vec<Value> =
        items(list, "left_out").filter(|one| one["provider"] == provider).cloned().collect();
    if models.is_empty() && left_out.is_empty() {
        let failure = Failure::new(format!("no running provider `{provider}` lists models"));
        return Err(failure.with_hint("`ccproxy plugins list` shows every provider"));
    }
    (list["data"], list["left_out"]) = (json!(models), json!(left_out));
    Ok(())
}

fn items<'a>(list: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    list[key].as_array().into_iter().flatten()
}

fn row(model: &Value) -> Vec<String> {
    let text = |key: &str| model[key].as_str().unwrap_or_default().to_owned();
    let name = if model["owned_by"] == "ccproxy" && !text("id").contains('/') {
        "alias".to_owned()
    } else {
        text("display_name")
    };
    vec![text("id"), name]
}
