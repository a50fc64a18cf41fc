//! Step 3 for compressed request bodies: decoded once, here, so that plugins and providers see plain JSON.
//! [`plain`] does the same for answers that were recorded.
//! The bound is on what comes out: a few bytes of a bomb must not become gigabytes.

use std::io::{self, Read};

use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, header};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::error::{Error, Kind, Result};

/// What one read gives at most.
const PIECE: usize = 64 << 10;
/// After so many bytes others get their turn on this worker.
const TURN: usize = 1 << 20;
/// Window that every zstd decoder should grant (RFC 8878 section 3.1.1.1.2).
const WINDOW: u64 = 8 << 20;

/// A coding that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
    Zstd,
}

impl Coding {
    /// The coding of a body; `None` when it is plain. One that is not taken is 415.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Coding>> {
        let mut found = None;
        let fields = headers.get_all(header::CONTENT_ENCODING).iter();
        for token in fields.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
            let coding = match token.trim_ascii().to_ascii_lowercase().as_slice() {
                b"" | b"identity" => continue,
                b"gzip" | b"x-gzip" => Coding::Gzip,
                b"deflate" => Coding::Deflate,
                b"zstd" => Coding::Zstd,
                _ => return Err(unsupported("this `content-encoding` is not taken")),
            };
            if found.replace(coding).is_some() {
                return Err(unsupported("more than one `content-encoding` is not taken"));
            }
        }
        Ok(found)
    }

    /// The plain bytes: at most `limit` of them, more is 413, bytes that are not what they claim are 400.
    pub(crate) async fn decode(self, bytes: Bytes, limit: usize) -> Result<Bytes> {
        let mut source = self.open(bytes.reader(), limit)?;
        let mut plain = Vec::new();
        let mut piece = vec![0; PIECE];
        let mut turn = 0;
        loop {
            let count = source.read(&mut piece).map_err(|error| self.malformed(&error))?;
            if count == 0 {
                return Ok(plain.into());
            }
            if count > limit - plain.len() {
                return Err(too_large(limit));
            }
            plain.extend_from_slice(&piece[..count]);
            turn += count;
            if turn > TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    fn open(self, bytes: Reader<Bytes>, limit: usize) -> Result<Box<dyn Read + Send>> {
        Ok(match self {
            Coding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
            Coding::Deflate => Box::new(flate2::read::ZlibDecoder::new(bytes)),
            Coding::Zstd => {
                let mut frames = Frames { limit, frame: None };
                let mut decoder = FrameDecoder::new();
                decoder.set_max_window_size(WINDOW.max(limit as u64));
                frames.next(bytes, decoder).map_err(|error| match error {
                    Stop::TooLarge => too_large(limit),
                    Stop::Malformed(error) => self.malformed(&error),
                })?;
                Box::new(frames)
            }
        })
    }

    fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
            Coding::Zstd => "zstd",
        }
    }

    fn malformed(self, error: &io::Error) -> Error {
        if error.get_ref().is_some_and(|inner| inner.is::<Huge>()) {
            return Error::client(Kind::TooLarge, "the request body is too large once it is decoded");
        }
        let name = self.name();
        let message = format!("the request body is not what its `content-encoding: {name}` says, or is cut");
        Error::client(Kind::InvalidRequest, message).with_log(error.to_string())
    }
}

/// The plain bytes of a body with these headers, of any message; `None` when they are plain as they are. The errors are
/// those of a request.
pub async fn plain(headers: &HeaderMap, bytes: Bytes, limit: usize) -> Result<Option<Bytes>> {
    match Coding::of(headers)? {
        None => Ok(None),
        // The answer to `HEAD` has no body.
        Some(_) if bytes.is_empty() => Ok(Some(bytes)),
        Some(coding) => coding.decode(bytes, limit).await.map(Some),
    }
}

/// Takes out what was true of the compressed bytes only.
pub(crate) fn forget(headers: &mut HeaderMap, length: usize) {
    headers.remove(header::CONTENT_ENCODING);
    if headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// A compressed body where none is taken.
pub(crate) fn refused() -> Error {
    unsupported("compressed request bodies are not taken on this route")
}

fn unsupported(what: &str) -> Error {
    let remedy = "send the body plain, or on a provider's route as `gzip`, `deflate` or `zstd`";
    Error::client(Kind::UnsupportedMediaType, format!("{what} (`content-encoding`); {remedy}"))
}

fn too_large(limit: usize) -> Error {
    let message = format!(
        "the request body is larger than {limit} bytes once it is decoded (`server.max_body` sets the limit)"
    );
    Error::client(Kind::TooLarge, message)
}

/// The frames of a zstd body, one after the other.
struct Frames {
    limit: usize,
    frame: Option<StreamingDecoder<Reader<Bytes>, FrameDecoder>>,
}

enum Stop {
    TooLarge,
    Malformed(io::Error),
}

/// A later frame claims more than may come out.
#[derive(Debug)]
struct Huge;

impl std::fmt::Display for Huge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a frame is too large")
    }
}

impl std::error::Error for Huge {}

impl Frames {
    /// Opens the frame that these bytes begin with. What it claims of its size is believed when it is too much.
    fn next(&mut self, mut bytes: Reader<Bytes>, mut decoder: FrameDecoder) -> Result<(), Stop> {
        while bytes.get_ref().has_remaining() {
            let start = bytes.get_ref().clone();
            let opened = decoder.init(&mut bytes);
            match opened {
                Ok(()) if decoder.content_size() > self.limit as u64 => return Err(Stop::TooLarge),
                Ok(()) => {
                    // The streaming decoder reads the header by itself.
                    let fresh = StreamingDecoder::new_with_decoder(start.reader(), decoder);
                    self.frame = Some(fresh.map_err(|error| Stop::Malformed(io::Error::other(error)))?);
                    return Ok(());
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = length as usize;
                    if length > bytes.get_ref().remaining() {
                        return Err(Stop::Malformed(io::ErrorKind::UnexpectedEof.into()));
                    }
                    bytes.get_mut().advance(length);
                }
                Err(FrameDecoderError::WindowSizeTooBig { .. }) => return Err(Stop::TooLarge),
                Err(error) => return Err(Stop::Malformed(io::Error::other(error))),
            }
        }
        Ok(())
    }
}

impl Read for Frames {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        while let Some(frame) = &mut self.frame {
            let count = frame.read(piece)?;
            if count > 0 {
                return Ok(count);
            }
            let Some(frame) = self.frame.take() else { break };
            let (bytes, decoder) = frame.into_parts();
            self.next(bytes, decoder).map_err(|stop| match stop {
                Stop::TooLarge => io::Error::other(Huge),
                Stop::Malformed(error) => error,
            })?;
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests;
