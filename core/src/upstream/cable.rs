//! The socket of an HTTP/1.1 connection to a provider. It goes on reading when the provider has stopped
//! listening, and sees that a kept connection has ended before the event loop does.

use std::io::{self, ErrorKind, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::socket::Socket;

/// The socket, in the hands of hyper.
pub(super) struct Cable {
    socket: Socket,
    end: Arc<End>,
    /// How writing failed. A provider that refuses a large request early answers and closes; its answer
    /// is here already when the rest of the request meets the closed connection.
    deaf: Option<ErrorKind>,
    /// Something was read after writing failed.
    heard: bool,
}

/// What its lane wants of it, and learns from it.
#[derive(Default)]
pub(super) struct End {
    /// Ask the kernel, not the event loop, whether something has come.
    pub(super) look: AtomicBool,
    /// The provider has stopped listening.
    pub(super) deaf: AtomicBool,
}

impl Cable {
    pub(super) fn new(socket: Socket) -> (Self, Arc<End>) {
        let end = Arc::new(End::default());
        (Cable { socket, end: end.clone(), deaf: None, heard: false }, end)
    }

    /// Nothing is due on an idle connection: whatever is there, the end most of all, ends it.
    fn look(&self) -> Poll<io::Result<()>> {
        let stream = match &self.socket {
            Socket::Plain(stream) => stream,
            Socket::Tls(stream) => stream.get_ref().0,
        };
        match SockRef::from(stream).peek(&mut [MaybeUninit::uninit()]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
            Ok(_) => Poll::Ready(Err(ErrorKind::ConnectionAborted.into())),
        }
    }

    fn wrote(&mut self, length: usize, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Err(error))
                if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) =>
            {
                self.deaf = Some(error.kind());
                self.end.deaf.store(true, Relaxed);
                Poll::Ready(Ok(length))
            }
            other => other,
        }
    }
}

impl AsyncRead for Cable {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.socket).poll_read(cx, buffer);
        if read.is_pending() && this.end.look.load(Relaxed) {
            return this.look();
        }
        let Some(kind) = this.deaf else { return read };
        if matches!(read, Poll::Ready(Ok(()))) {
            if buffer.filled().len() == before && !this.heard {
                return Poll::Ready(Err(kind.into()));
            }
            this.heard = true;
        }
        read
    }
}

impl AsyncWrite for Cable {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.deaf.is_some() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        this.wrote(bytes.len(), written)
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = || slices.iter().map(|slice| slice.len()).sum();
        if this.deaf.is_some() {
            return Poll::Ready(Ok(length()));
        }
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, slices);
        if matches!(written, Poll::Ready(Err(_))) { this.wrote(length(), written) } else { written }
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.deaf.is_some() {
            return Poll::Ready(Ok(()));
        }
        // TLS writes some of its bytes only now.
        let flushed = Pin::new(&mut this.socket).poll_flush(cx);
        this.wrote(0, flushed.map_ok(|()| 0)).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
