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

#[test]
fn any_message_is_read_plain_when_its_coding_is_known() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let plain = |codings: &[&'static str], bytes: Vec<u8>| {
        runtime.block_on(super::plain(&headers(codings), bytes.into(), 1 << 10))
    };
    assert_eq!(plain(&["identity"], TEXT.to_vec()).expect("plain"), None);
    let packed = encode(Coding::Gzip, TEXT);
    assert_eq!(plain(&["gzip"], packed.clone()).expect("decoded").as_deref(), Some(TEXT));
    assert_eq!(plain(&["gzip"], Vec::new()).expect("no body").as_deref(), Some(&b""[..]));
    for codings in [&["br"][..], &["zstd"], &["gzip", "gzip"]] {
        assert!(plain(codings, packed.clone()).is_err(), "{codings:?}");
    }
}
