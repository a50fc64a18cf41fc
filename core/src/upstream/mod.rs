//! Step 8: requests to providers. Pooled connections, four clocks, bytes pulled by the client.

mod body;
mod cable;
mod clock;
mod connect;
mod fault;
mod gate;
mod headers;
mod host;
mod lane;
mod proxy;
mod pulse;
mod stand_in;
mod trunk;
mod trust;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::uri::{Scheme, Uri};
use http::{Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use parking_lot::RwLock;

use self::body::{AnswerBody, Carrier};
use self::clock::{Clock, Limits};
use self::connect::Connector;
use self::host::{Host, Keep};
use self::lane::{Lane, Sent};
use self::proxy::{Proxies, Way};
pub use self::stand_in::StandIn;
use self::trunk::Trunk;
use self::trust::Trust;
use crate::body::{Answer, Body, is_compressed, is_event_stream};
use crate::error::{Error, Result};
use crate::provider::{Origin, Outbound};
use crate::settings::UpstreamSettings;

/// Most origins at once. They come from the configuration, so only a mistake meets this.
const MOST_ORIGINS: usize = 1024;
/// Answers up to this size that are already here are handed on whole.
const SMALL: u64 = 64 << 10;
/// Idle connections that may turn out to be dead before a new one is opened.
const STALE_TRIES: usize = 8;

type Call = Request<Full<bytes::Bytes>>;

/// The client side of the proxy. One for the process.
pub struct Upstream {
    connector: Connector,
    proxies: Proxies,
    limits: Limits,
    keep: Keep,
    hosts: RwLock<HashMap<Arc<Origin>, Arc<Host>>>,
    stand_in: Option<Arc<dyn StandIn>>,
}

impl Upstream {
    /// Reads CA files and proxy settings; connects to nothing.
    pub fn new(settings: UpstreamSettings) -> Result<Self> {
        let trust = Trust::new(settings.ca_file.as_deref())?;
        Ok(Upstream {
            connector: Connector::new(trust, settings.connect_timeout),
            proxies: Proxies::new(settings.proxy.as_deref())?,
            limits: Limits::new(&settings),
            keep: Keep { most: settings.pool_max_idle, idle: settings.pool_idle_timeout },
            hosts: RwLock::new(HashMap::new()),
            stand_in: None,
        })
    }

    /// The same, and never near a network: everything is answered by `stand_in`.
    pub fn answered_by(self, stand_in: Arc<dyn StandIn>) -> Self {
        Upstream { stand_in: Some(stand_in), ..self }
    }

    /// What answers instead of the network, if anything does.
    pub fn stand_in(&self) -> Option<&Arc<dyn StandIn>> {
        self.stand_in.as_ref()
    }

    /// Sends a request (step 8). Returns when the head is there: hop-by-hop fields are gone from it, and
    /// its body is still arriving under the clocks. Dropping the future or the body cancels upstream.
    ///
    /// Not an `async fn`, and what is rare is boxed: the future is moved on its way to the server, with
    /// each request.
    pub fn send(&self, outbound: Outbound) -> impl Future<Output = Result<Answer>> + Send {
        let ready = match &self.stand_in {
            None => Ok(self.host(&outbound.origin).map(|host| {
                let call = call(&host, outbound);
                let lane = host.lane();
                (host, call, lane)
            })),
            Some(stand_in) => Err(stand_in.provider(outbound)),
        };
        async move {
            let (host, call, lane) = match ready {
                Ok(ready) => ready?,
                Err(imagined) => return imagined.await,
            };
            let Some(mut lane) = lane else { return Box::pin(self.over_other(&host, call)).await };
            let spare = spare(&call);
            let sent = again(lane.send(call).await, spare);
            match self.answer(&host, Carrier::Lane(lane), sent) {
                Outcome::Done(answer) => answer,
                Outcome::Unsent(call) => Box::pin(self.over_other(&host, call)).await,
            }
        }
    }

    /// Sends over a shared connection, another idle one or a new one.
    async fn over_other(&self, host: &Arc<Host>, mut call: Call) -> Result<Answer> {
        for _ in 0..STALE_TRIES {
            let outcome = if let Some(lane) = host.lane() {
                let spare = spare(&call);
                self.over_lane(host, lane, call, spare).await
            } else if let Some(place) = host.trunk() {
                self.over_trunk(host, place, call).await
            } else {
                break;
            };
            match outcome {
                Outcome::Done(answer) => return answer,
                Outcome::Unsent(unsent) => call = unsent,
            }
        }
        let opened = self.connector.open(&host.origin, &host.way).await?;
        let failed = |error: hyper::Error| fault::no_head(&host.origin, &error);
        let outcome = if opened.http2 {
            let trunk = Trunk::start(opened.socket).await.map_err(failed)?;
            let place = trunk.enter().ok_or_else(|| fault::vanished(&host.origin))?;
            host.share(trunk);
            self.over_trunk(host, place, call).await
        } else {
            let lane = Lane::start(opened.socket, self.limits).await.map_err(failed)?;
            // A fresh connection was not closed for being idle.
            self.over_lane(host, lane, call, None).await
        };
        match outcome {
            Outcome::Done(answer) => answer,
            // A fresh connection that ends before a request fits in will do so again.
            Outcome::Unsent(_) => Err(fault::vanished(&host.origin)),
        }
    }

    /// The connections to `origin`.
    fn host(&self, origin: &Arc<Origin>) -> Result<Arc<Host>> {
        if let Some(host) = self.hosts.read().get(origin) {
            return Ok(host.clone());
        }
        let way = self.proxies.way(origin)?;
        let host = Host::new(origin.clone(), way, host_name(origin)?, self.keep);
        let mut hosts = self.hosts.write();
        if hosts.len() >= MOST_ORIGINS {
            return Err(fault::too_many_origins());
        }
        Ok(hosts.entry(origin.clone()).or_insert(host).clone())
    }

    async fn over_lane(
        &self,
        host: &Arc<Host>,
        mut lane: Box<Lane>,
        call: Call,
        spare: Option<Box<Call>>,
    ) -> Outcome {
        let sent = again(lane.send(call).await, spare);
        self.answer(host, Carrier::Lane(lane), sent)
    }

    async fn over_trunk(&self, host: &Arc<Host>, place: trunk::Place, call: Call) -> Outcome {
        let mut clock = Clock::new(self.limits);
        let mut sent = place.send(&host.origin, call, &mut clock).await;
        if let Sent::Unsent(call) = &mut sent {
            trunk::to_http1(&host.name, call);
        }
        self.answer(host, Carrier::Trunk { _place: place, clock }, sent)
    }

    fn answer(&self, host: &Arc<Host>, carrier: Carrier, sent: Sent) -> Outcome {
        let origin = &host.origin;
        Outcome::Done(match sent {
            Sent::Unsent(call) => return Outcome::Unsent(call),
            Sent::Head(head) if head.status() == StatusCode::SWITCHING_PROTOCOLS => {
                Err(fault::upgraded(origin))
            }
            Sent::Head(head)
                if head.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
                    && matches!(host.way, Way::Forward { .. }) =>
            {
                Err(fault::proxy_login(origin, &host.way))
            }
            Sent::Head(head) => self.receive(host, carrier, head),
            Sent::Failed(error) => Err(fault::no_head(origin, &error)),
            Sent::Vanished => Err(fault::vanished(origin)),
            Sent::Expired => Err(fault::expired(origin, clock::Wait::Head, &self.limits)),
        })
    }

    /// Makes the house's answer of a head. A small body that is here already comes along whole, which
    /// spares the stream, and lets its connection go at once. Whoever polls the body later is woken.
    fn receive(&self, host: &Arc<Host>, carrier: Carrier, head: Response<Incoming>) -> Result<Answer> {
        let (parts, incoming) = head.into_parts();
        let (status, mut headers) = (parts.status, parts.headers);
        headers::strip_answer(&mut headers);
        let stream = is_event_stream(&headers);
        // Nothing can be told of the events inside a compressed stream: all its bytes are data.
        let events = stream && !is_compressed(&headers);
        // How a stream ends is judged by its events, wherever it is cut.
        let small = !stream && incoming.size_hint().exact().is_some_and(|length| length <= SMALL);
        let mut body = AnswerBody::new(incoming, carrier, host.clone(), self.limits, events);
        if !small {
            return Ok(Answer { status, headers, body: Body::stream(body) });
        }
        let body = match body.poll_bytes(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(None) => Body::empty(),
            Poll::Ready(Some(bytes)) => {
                let bytes = bytes?;
                if body.is_end_stream() {
                    Body::full(bytes)
                } else {
                    body.put_back(bytes)?;
                    Body::stream(body)
                }
            }
            Poll::Pending => Body::stream(body),
        };
        Ok(Answer { status, headers, body })
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upstream({} origins)", self.hosts.read().len())
    }
}

/// What became of a try on one connection.
enum Outcome {
    /// It was sent: an answer, or an error that another connection would not mend.
    Done(Result<Answer>),
    /// Nothing was written.
    Unsent(Call),
}

/// A copy of a request that may be sent twice without harm: one that only asks.
fn spare(call: &Call) -> Option<Box<Call>> {
    call.method().is_safe().then(|| Box::new(call.clone()))
}

/// A kept connection that ended before a byte of the answer was mostly closed for being idle, just as the
/// request was written.
fn again(sent: Sent, spare: Option<Box<Call>>) -> Sent {
    match (sent, spare) {
        (Sent::Failed(_) | Sent::Vanished, Some(call)) => Sent::Unsent(*call),
        (sent, _) => sent,
    }
}

/// The request as HTTP/1.1 sends it.
fn call(host: &Host, outbound: Outbound) -> Call {
    let mut call = Request::new(Full::new(outbound.body.bytes().clone()));
    *call.method_mut() = outbound.method;
    *call.version_mut() = Version::HTTP_11;
    let mut headers = outbound.headers;
    headers::strip_request(&mut headers);
    // The first value of a name replaces what a client or plugin left there, further ones are added.
    let mut last = None;
    for (name, value) in outbound.credential {
        match (name, &last) {
            (Some(name), _) => {
                headers.insert(name.clone(), value);
                last = Some(name);
            }
            (None, Some(name)) => {
                headers.append(name.clone(), value);
            }
            (None, None) => {}
        }
    }
    headers.insert(HOST, host.name.clone());
    *call.uri_mut() = match &host.way {
        Way::Forward { authorization, .. } => {
            if let Some(authorization) = authorization {
                headers.insert(PROXY_AUTHORIZATION, authorization.clone());
            }
            absolute(&host.origin, outbound.path)
        }
        Way::Direct | Way::Tunnel { .. } | Way::Socks { .. } => Uri::from(outbound.path),
    };
    *call.headers_mut() = headers;
    call
}

fn absolute(origin: &Origin, path: http::uri::PathAndQuery) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(origin.scheme.clone());
    parts.authority = Some(origin.authority.clone());
    parts.path_and_query = Some(path.clone());
    Uri::from_parts(parts).unwrap_or_else(|_| Uri::from(path))
}

/// The `host` field: without userinfo, and without the scheme's own port.
fn host_name(origin: &Origin) -> Result<HeaderValue> {
    let own = if origin.scheme == Scheme::HTTPS { 443 } else { 80 };
    let host = origin.authority.host();
    let name = match origin.authority.port_u16() {
        Some(port) if port != own => format!("{host}:{port}"),
        _ => host.to_owned(),
    };
    HeaderValue::try_from(name)
        .map_err(|error| Error::internal(format!("the upstream host is not a valid header value: {error}")))
}
