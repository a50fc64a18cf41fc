//! The socket side of a connection: the clocks of slow clients, a copy of request heads for the guard,
//! and an end that lets the last answer arrive.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::line::Line;
use crate::patience::Patience;
use crate::settings::ServerSettings;
use crate::socket::Socket;

/// How long a connection is kept between two requests. Longer than clients keep theirs, so that it is
/// mostly they who close, and no request meets a closing connection.
const KEEP_ALIVE: Duration = Duration::from_secs(300);
/// How long, after an answer that came before the request's end, the rest of the request is read and
/// thrown away. Closing at once would make the kernel reset the connection under the answer.
const LINGER: Duration = Duration::from_secs(5);
/// Most bytes that are read while a request is answered.
const AHEAD: usize = 16 << 10;
/// How an HTTP/2 connection begins (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const TIMEOUT_ANSWER: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A socket with clocks.
pub(super) struct Wire {
    socket: Socket,
    line: Arc<Line>,
    head_timeout: Duration,
    write_idle: Duration,
    reading: Patience,
    writing: Patience,
    lingering: Patience,
    /// There was no request yet.
    fresh: bool,
    /// Since the last request nothing has come; before the first one it is the head's clock that runs.
    idle: bool,
    http2: bool,
    ended: bool,
    shut: bool,
    /// Bytes read while hyper wanted none.
    ahead: Vec<u8>,
}

impl Wire {
    pub(super) fn new(socket: Socket, line: Arc<Line>, settings: &ServerSettings, http2: bool) -> Self {
        if http2 {
            line.forget_heads();
        }
        let shortest = settings.head_timeout.min(KEEP_ALIVE).min(settings.write_idle_timeout);
        Wire {
            socket,
            line,
            head_timeout: settings.head_timeout,
            write_idle: settings.write_idle_timeout,
            reading: Patience::new(shortest),
            writing: Patience::new(settings.write_idle_timeout),
            lingering: Patience::new(LINGER),
            fresh: true,
            idle: false,
            http2,
            ended: false,
            shut: false,
            ahead: Vec::new(),
        }
    }

    /// Bytes have come.
    fn heard(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.ended = true;
        } else if !self.http2 && !self.line.has_left_http() {
            if self.idle && !self.line.is_busy() {
                self.idle = false;
                self.reading.restart();
            }
            self.line.read(bytes);
        }
    }

    /// Nothing has come: has it been too long?
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.line.has_left_http() {
            // What speaks there now has clocks of its own.
            return Poll::Pending;
        }
        if !self.http2 && (self.line.is_http2() || self.fresh && self.line.begins_with(PREFACE)) {
            self.http2 = true;
            self.line.forget_heads();
        }
        if self.line.take_begun() {
            self.fresh = false;
            // The start of the next head may have come with the last request: its clock runs.
            self.idle = !self.line.has_more();
            self.reading.restart();
        }
        if self.line.is_busy() {
            return self.wait_for_client(cx);
        }
        if !self.http2 && !self.idle {
            ready!(self.reading.poll_expired(cx, self.head_timeout));
            if !self.line.has_more() {
                self.ended = true;
                return Poll::Ready(Ok(()));
            }
            // Best effort: what does not fit into the socket's buffer now is not worth a wait.
            let _ = Pin::new(&mut self.socket).poll_write(cx, TIMEOUT_ANSWER);
            let _ = Pin::new(&mut self.socket).poll_flush(cx);
            return Poll::Ready(Err(silent("the request head did not come")));
        }
        ready!(self.reading.poll_expired(cx, KEEP_ALIVE));
        // As if the client had closed.
        self.ended = true;
        Poll::Ready(Ok(()))
    }

    /// Requests are being answered. That may take as long as it takes, unless all answers of an HTTP/2
    /// connection wait for room that their client does not give.
    fn wait_for_client(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.http2 {
            return Poll::Pending;
        }
        let moved = self.line.take_moved();
        let stuck = self.line.is_stuck();
        if moved || !stuck {
            self.reading.restart();
        }
        if !stuck {
            return Poll::Pending;
        }
        ready!(self.reading.poll_expired(cx, self.write_idle));
        Poll::Ready(Err(silent("the client takes no bytes")))
    }

    fn wrote(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.writing.restart();
            return written;
        }
        ready!(self.writing.poll_expired(cx, self.write_idle));
        Poll::Ready(Err(silent("the client takes no bytes")))
    }

    /// While a request is answered, hyper notices that its client leaves only if the client has sent
    /// nothing after it. Otherwise this reads on, within a bound.
    fn look_ahead(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while self.line.has_more() && self.line.is_busy() && self.ahead.len() < AHEAD {
            let mut scratch = [0; 4 << 10];
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.socket).poll_read(cx, &mut buffer)? {
                Poll::Pending => break,
                Poll::Ready(()) if buffer.filled().is_empty() => {
                    self.ended = true;
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the client left"));
                }
                Poll::Ready(()) => {
                    self.heard(buffer.filled());
                    self.ahead.extend_from_slice(buffer.filled());
                }
            }
        }
        Ok(())
    }

    /// Reads what still comes and throws it away, for a while.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; 16 << 10];
        while !self.ended {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.socket).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) => self.ended = buffer.filled().is_empty(),
                Poll::Ready(Err(_)) => self.ended = true,
                Poll::Pending => {
                    ready!(self.lingering.poll_expired(cx, LINGER));
                    self.ended = true;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn silent(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.ahead.is_empty() {
            let count = this.ahead.len().min(buffer.remaining());
            buffer.put_slice(&this.ahead[..count]);
            this.ahead.drain(..count);
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.socket).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                this.heard(&buffer.filled()[before..]);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.wait(cx),
        }
    }
}

impl AsyncWrite for Wire {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.wrote(cx, written)
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, slices);
        this.wrote(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.line.has_more() {
            this.look_ahead(cx)?;
        }
        match Pin::new(&mut this.socket).poll_flush(cx) {
            // TLS may hold bytes that the socket does not take.
            Poll::Pending => {
                ready!(this.writing.poll_expired(cx, this.write_idle));
                Poll::Ready(Err(silent("the client takes no bytes")))
            }
            done => done,
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.shut {
            ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
            this.shut = true;
        }
        // Only a client that may still be sending has to be heard out.
        if this.http2 || !(this.line.body_unread() || this.line.has_more()) {
            return Poll::Ready(Ok(()));
        }
        this.linger(cx)
    }
}
