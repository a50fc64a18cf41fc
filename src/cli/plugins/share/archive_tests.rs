//! Archives that mean harm, each with its reason; and some that do not.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{EntryType, Header};

use super::read;
use crate::cli::plugins::share::tree::{MOST_BYTES, MOST_FILES};

/// A tar file in gzip with these entries, whatever their names are.
fn tar(entries: &[(EntryType, &[u8], &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (kind, name, bytes) in entries {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_entry_type(*kind);
        header.set_size(bytes.len() as u64);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        archive.append(&header, *bytes).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn file(name: &[u8]) -> (EntryType, &[u8], &[u8]) {
    (EntryType::Regular, name, b"return {}")
}

/// A zip file with these entries: name, mode, bytes.
fn zip(entries: &[(&[u8], u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut out);
    for (name, mode, bytes) in entries {
        let path = rawzip::path::EntryPath::verbatim(*name);
        let builder = archive.new_file(path).compression_method(rawzip::CompressionMethod::DEFLATE);
        let (mut entry, config) = builder.unix_permissions(*mode).start().unwrap();
        let mut writer = config.wrap(flate2::write::DeflateEncoder::new(&mut entry, Compression::fast()));
        writer.write_all(bytes).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
    out
}

fn refused(bytes: &[u8]) -> String {
    read(bytes).err().unwrap_or_default()
}

const FILE: u32 = 0o100_644;

#[test]
fn plain_archives_are_read() {
    let tar = tar(&[
        (EntryType::XGlobalHeader, b"pax_global_header", b"19 comment=deadbee\n"),
        (EntryType::Directory, b"./quota/", b""),
        file(b"./quota/plugin.lua"),
        file(b"quota/lib/a.lua"),
    ]);
    let zip = zip(&[(b"quota/plugin.lua", FILE, b"return {}"), (b"quota/lib/a.lua", 0, b"return {}")]);
    for bytes in [tar, zip] {
        let tree = read(&bytes).unwrap();
        let names: Vec<&str> = tree.files().map(|(path, _)| path).collect();
        assert_eq!(names, ["quota/lib/a.lua", "quota/plugin.lua"]);
        assert_eq!(tree.file("quota/plugin.lua"), Some(&b"return {}"[..]));
        assert_eq!(tree.only_folder(), Some("quota"));
    }
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for (name, why) in [
        (&b"/etc/cron.d/x"[..], "absolute"),
        (b"a/../../x", "leads out"),
        (b"../x", "leads out"),
        (b"a\\..\\x", "not every system"),
        (b"a/\xff\xfe.lua", "not UTF-8"),
        (b"a/\x1b[2J", "not every system"),
    ] {
        let told = refused(&tar(&[file(name)]));
        assert!(told.contains(why), "tar {name:?}: {told}");
        let told = refused(&zip(&[(name, FILE, b"x")]));
        assert!(told.contains(why), "zip {name:?}: {told}");
    }
    let told = refused(&tar(&[(EntryType::Directory, b"../x/", b"")]));
    assert!(told.contains("leads out"), "{told}");
}

#[test]
fn what_is_no_file_is_refused() {
    for kind in [EntryType::Link, EntryType::Char, EntryType::Block, EntryType::Fifo] {
        let told = refused(&tar(&[file(b"a/plugin.lua"), (kind, b"a/x", b"")]));
        assert!(told.contains("hard link, a device or a pipe"), "{kind:?}: {told}");
    }
    let told = refused(&zip(&[(b"a/x", 0o020_644, b"")]));
    assert!(told.contains("device"), "{told}");
    // A link in a plugin is refused with the plugin; what would be written through it, at once.
    for bytes in [
        tar(&[file(b"a/plugin.lua"), (EntryType::Symlink, b"a/x.lua", b"")]),
        zip(&[(b"a/plugin.lua", FILE, b"return {}"), (b"a/x.lua", 0o120_777, b"/etc/passwd")]),
    ] {
        let told = read(&bytes).unwrap().below("a").unwrap_err();
        assert!(told.contains("symbolic link"), "{told}");
    }
    let told = refused(&tar(&[(EntryType::Symlink, b"a", b""), file(b"a/x")]));
    assert!(told.contains("file and a folder"), "{told}");
}

#[test]
fn names_that_collide_are_refused() {
    for (first, second, why) in [
        (&b"a/plugin.lua"[..], &b"a/PLUGIN.lua"[..], "case alone"),
        (b"a/plugin.lua", b"a/plugin.lua", "twice"),
    ] {
        let told = refused(&tar(&[file(first), file(second)]));
        assert!(told.contains(why), "tar: {told}");
        let told = refused(&zip(&[(first, FILE, b"1"), (second, FILE, b"2")]));
        assert!(told.contains(why), "zip: {told}");
    }
}

#[test]
fn bombs_are_refused_before_they_are_whole() {
    let large = vec![0; (MOST_BYTES / 4 + 1) as usize];
    let names = [&b"a/1"[..], b"a/2", b"a/3", b"a/4"];
    let bomb = tar(&names.map(|name| (EntryType::Regular, name, large.as_slice())));
    assert!(bomb.len() < 1 << 20, "{} bytes", bomb.len());
    assert!(refused(&bomb).contains("more than"), "{}", refused(&bomb));
    let bomb = zip(&names.map(|name| (name, FILE, large.as_slice())));
    assert!(refused(&bomb).contains("more than"), "{}", refused(&bomb));
    // Padding that never ends is no file, and yet too much.
    let mut endless = GzEncoder::new(Vec::new(), Compression::fast());
    let mut long = Header::new_gnu();
    long.set_entry_type(EntryType::GNULongName);
    long.set_size(MOST_BYTES * 4);
    long.set_cksum();
    endless.write_all(long.as_bytes()).unwrap();
    for _ in 0..5 {
        endless.write_all(&large).unwrap();
    }
    endless.write_all(&large).unwrap();
    let told = refused(&endless.finish().unwrap());
    assert!(told.contains("unpacks to more") || told.contains("cannot be read"), "{told}");
    let many: Vec<Vec<u8>> = (0..=MOST_FILES).map(|number| format!("a/{number}").into_bytes()).collect();
    let many: Vec<_> = many.iter().map(|name| file(name)).collect();
    assert!(refused(&tar(&many)).contains("files"), "{}", refused(&tar(&many)));
}

#[test]
fn what_is_broken_is_refused() {
    let whole = tar(&[(EntryType::Regular, b"a/plugin.lua", &[7; 5000])]);
    assert!(refused(&whole[..whole.len() / 2]).contains("cannot be read"));
    let whole = zip(&[(b"a/plugin.lua", FILE, b"return {}")]);
    assert!(!refused(&whole[..whole.len() - 10]).is_empty());
    let mut changed = whole.clone();
    let place = changed.windows(12).position(|bytes| bytes == b"a/plugin.lua").unwrap();
    changed[place + 14] ^= 0x55;
    assert!(refused(&changed).contains("cannot be read"), "{}", refused(&changed));
    assert!(refused(b"plain text").contains("neither"));
    assert!(refused(b"").contains("neither"));
}
