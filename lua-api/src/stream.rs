//! An event stream that a script produces: pulled by the client, driven by the client's own connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use ccproxy_core::body::{Answer, Body};
use ccproxy_core::error::{Error, Result};
use ccproxy_core::exchange::Exchange;
use ccproxy_core::middleware::BodyAccess;
use ccproxy_core::step::BoxFuture;
use http_body::Frame;
use mlua::{Function, MetaMethod, MultiValue, Table, UserData, UserDataMethods, Value};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::args::Args;
use crate::call::{Allowed, Begun, call, gone};
use crate::emit;
use crate::handle::view::View;
use crate::outcome;
use crate::plugin::Plugin;
use crate::script::Script;

/// Events a producer may be ahead of its client.
const AHEAD: usize = 16;

/// Longest id of an event in bytes.
const LONGEST_ID: usize = 200;

/// The longest a produced stream may last.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The answer whose body `producer` makes, event by event.
pub(crate) fn answer(
    plugin: &Arc<Plugin>,
    script: &Arc<Script>,
    exchange: &Arc<Exchange>,
    mut head: Answer,
    producer: Function,
) -> Answer {
    let (sender, events) = channel(AHEAD);
    let allowed = Allowed { wall: LONGEST, ..plugin.allowed_apart(LONGEST) };
    let running = run(
        plugin.clone(),
        script.clone(),
        exchange.clone(),
        Producer { function: Some(producer), script: script.clone() },
        sender,
        allowed,
    );
    head.body = Body::stream(Produced { events, producer: Some(Box::pin(running)) });
    head
}

async fn run(
    plugin: Arc<Plugin>,
    script: Arc<Script>,
    exchange: Arc<Exchange>,
    mut producer: Producer,
    sender: Sender<Bytes>,
    allowed: Allowed,
) -> Result<()> {
    let begin = |script: &Arc<Script>| {
        let view = View::of(script, plugin.key, &exchange);
        let stream =
            script.vm.lua.create_userdata(StreamHandle { script: Arc::downgrade(script), sender })?;
        // Taken inside the gate, and dropped there.
        let function = producer.function.take();
        let coroutine = script.vm.trampoline.call_async((function, stream, &script.plugin));
        Ok(Begun::within(coroutine, view, BodyAccess::None))
    };
    let finish = |_: &Arc<Script>, values| outcome::plain(values).map(|_| ());
    let handler = plugin.handlers.get("sse", "`sse`");
    let result = call(script.clone(), &handler, allowed, gone, begin, finish).get().await;
    result.map_err(|fault| {
        plugin.meter.failed();
        handler.failed();
        fault.into_error(&plugin.name, &handler.label)
    })
}

/// The producing function until it runs. Unused, it is dropped inside its VM's gate.
struct Producer {
    function: Option<Function>,
    script: Arc<Script>,
}

impl Drop for Producer {
    fn drop(&mut self) {
        if let Some(function) = self.function.take() {
            self.script.vm.discard(Box::new(function));
        }
    }
}

/// The body: what the producer has sent, and the producer, which runs when the client pulls.
struct Produced {
    events: Receiver<Bytes>,
    producer: Option<BoxFuture<'static, Result<()>>>,
}

impl http_body::Body for Produced {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        if let Poll::Ready(Some(bytes)) = this.events.poll_recv(context) {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if let Some(producer) = &mut this.producer
            && let Poll::Ready(result) = producer.as_mut().poll(context)
        {
            this.producer = None;
            if let Err(error) = result {
                return Poll::Ready(Some(Err(error)));
            }
        }
        match (this.events.try_recv(), &this.producer) {
            (Ok(bytes), _) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            (Err(_), None) => Poll::Ready(None),
            // The producer's waker, or the channel's from above, comes back here.
            (Err(_), Some(_)) => Poll::Pending,
        }
    }
}

/// `stream`, the argument of the producing function.
struct StreamHandle {
    script: std::sync::Weak<Script>,
    sender: Sender<Bytes>,
}

impl UserData for StreamHandle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_async_method("send", |_, this, values: MultiValue| async move {
            let bytes = this.render(&Args::new("stream:send", values).any(1))?;
            let sender = this.sender.clone();
            drop(this);
            push(sender, bytes).await
        });
        methods.add_async_method("comment", |_, this, values: MultiValue| async move {
            let text = Args::new("stream:comment", values).utf8(1)?;
            if text.len() > 1000 || text.contains(['\r', '\n', '\0']) {
                return Err(mlua::Error::runtime("a comment is one short line"));
            }
            let sender = this.sender.clone();
            drop(this);
            push(sender, Bytes::from(format!(": {text}\n\n"))).await
        });
        methods.add_meta_method(MetaMethod::ToString, |_, _, ()| Ok("stream"));
    }
}

impl StreamHandle {
    fn render(&self, event: &Value) -> mlua::Result<Bytes> {
        let Some(script) = self.script.upgrade() else {
            return Err(mlua::Error::runtime("this stream is over"));
        };
        let table: &Table = event.as_table().ok_or_else(|| {
            mlua::Error::RuntimeError(format!(
                "`stream:send` takes `{{ event = ..., data = ... }}`, not a {}",
                event.type_name()
            ))
        })?;
        let event = emit::from_table(&script, table, None).map_err(mlua::Error::RuntimeError)?;
        match table.raw_get::<Value>("id")? {
            Value::Nil => Ok(event.raw),
            Value::String(id) => {
                let id = id.to_string_lossy();
                if id.is_empty() || id.len() > LONGEST_ID || id.contains(char::is_control) {
                    return Err(mlua::Error::runtime("the id of an event is one short line"));
                }
                Ok([format!("id: {id}\n").as_bytes(), &event.raw].concat().into())
            }
            other => Err(mlua::Error::RuntimeError(format!("`id` is a {}, not a string", other.type_name()))),
        }
    }
}

/// Waits until the client has taken enough. False when it is gone.
async fn push(sender: Sender<Bytes>, bytes: Bytes) -> mlua::Result<bool> {
    Ok(sender.send(bytes).await.is_ok())
}
