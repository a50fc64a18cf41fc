//! Step 3 for compressed request bodies: decoded once, here, so that plugins and providers see plain JSON.
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
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    const TEXT: &[u8] = br#"{"model":"m","input":"hi hi hi hi hi hi hi hi hi hi hi hi hi hi"}"#;
    const CODINGS: [Coding; 3] = [Coding::Gzip, Coding::Deflate, Coding::Zstd];

    fn encode(coding: Coding, plain: &[u8]) -> Vec<u8> {
        match coding {
            Coding::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(plain).expect("written");
                encoder.finish().expect("finished")
            }
            Coding::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(plain).expect("written");
                encoder.finish().expect("finished")
            }
            Coding::Zstd => compress_to_vec(plain, CompressionLevel::Fastest),
        }
    }

    fn decode(coding: Coding, bytes: Vec<u8>, limit: usize) -> Result<Bytes> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(coding.decode(bytes.into(), limit))
    }

    fn headers(values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn the_field_names_one_coding_or_is_refused() {
        for (values, expected) in [
            (&[][..], Some(None)),
            (&["identity"], Some(None)),
            (&["", "Identity, GZIP"], Some(Some(Coding::Gzip))),
            (&["x-gzip"], Some(Some(Coding::Gzip))),
            (&[" zstd "], Some(Some(Coding::Zstd))),
            (&["deflate"], Some(Some(Coding::Deflate))),
            (&["br"], None),
            (&["gzip, zstd"], None),
            (&["gzip", "gzip"], None),
        ] {
            assert_eq!(Coding::of(&headers(values)).ok(), expected, "{values:?}");
        }
    }

    #[test]
    fn what_went_in_comes_out() {
        let large: Vec<u8> =
            (0..3_000_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for coding in CODINGS {
            for plain in [&b""[..], TEXT, &large] {
                let decoded = decode(coding, encode(coding, plain), large.len()).expect("decoded");
                assert!(decoded == plain, "{coding:?} {}", plain.len());
            }
        }
    }

    #[test]
    fn several_members_and_skippable_frames_are_one_body() {
        for coding in [Coding::Gzip, Coding::Zstd] {
            let twice = [encode(coding, TEXT), encode(coding, TEXT)].concat();
            assert_eq!(decode(coding, twice, 1000).expect("decoded"), [TEXT, TEXT].concat());
        }
        let skipped = [&b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"[..], &encode(Coding::Zstd, TEXT)].concat();
        assert_eq!(decode(Coding::Zstd, skipped, 1000).expect("decoded"), TEXT);
        let cut = b"\x50\x2a\x4d\x18\xff\xff\xff\x7fabc".to_vec();
        assert_eq!(decode(Coding::Zstd, cut, 1000).expect_err("cut").kind(), Kind::InvalidRequest);
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        for coding in CODINGS {
            let bomb = encode(coding, &vec![b' '; 20 << 20]);
            assert!(bomb.len() < 100_000, "{coding:?}");
            for limit in [1, TEXT.len(), 1 << 20, (20 << 20) - 1] {
                let error = decode(coding, bomb.clone(), limit).expect_err("too large");
                assert_eq!(error.kind(), Kind::TooLarge, "{coding:?} {limit}: {error}");
            }
            assert_eq!(decode(coding, bomb, 20 << 20).expect("decoded").len(), 20 << 20);
        }
        let second = [encode(Coding::Zstd, b"{}"), encode(Coding::Zstd, &vec![b' '; 1 << 20])].concat();
        assert_eq!(decode(Coding::Zstd, second, 1000).expect_err("too large").kind(), Kind::TooLarge);
    }

    #[test]
    fn a_size_or_window_that_is_only_claimed_is_refused_at_once() {
        // One frame: descriptor with an 8 byte size, then the size; the other: a window of gigabytes.
        let size = [&b"\x28\xb5\x2f\xfd\xe0"[..], &(1u64 << 40).to_le_bytes(), b"\x01\x00\x00"].concat();
        let window = b"\x28\xb5\x2f\xfd\x00\xf0\x01\x00\x00".to_vec();
        for frame in [size, window] {
            assert_eq!(decode(Coding::Zstd, frame, 1 << 20).expect_err("huge").kind(), Kind::TooLarge);
        }
    }

    /// Every cut, and every byte turned: an error or other bytes, never a panic, never more than the limit.
    #[test]
    fn what_is_malformed_is_told() {
        for coding in CODINGS {
            let good = encode(coding, TEXT);
            for end in 0..good.len() {
                if let Ok(decoded) = decode(coding, good[..end].to_vec(), 1000) {
                    assert!(decoded.len() <= TEXT.len(), "{coding:?} {end}");
                }
            }
            for at in 0..good.len() {
                for bit in 0..8 {
                    let mut bad = good.clone();
                    bad[at] ^= 1 << bit;
                    if let Ok(decoded) = decode(coding, bad, 1000) {
                        assert!(decoded.len() <= 1000, "{coding:?} {at}");
                    }
                }
            }
            for garbage in [&b"{}"[..], b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"plain text, no coding"] {
                let error = decode(coding, garbage.to_vec(), 1000).expect_err("garbage");
                assert_eq!(error.kind(), Kind::InvalidRequest, "{coding:?} {garbage:?}");
                assert!(error.message().contains(coding.name()));
            }
        }
    }
}
