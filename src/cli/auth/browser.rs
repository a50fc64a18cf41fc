//! Shows an address: in the browser, and as a QR code on a terminal.

use std::io::IsTerminal;
use std::process::{Command, Stdio};

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use crate::cli::output::Output;

/// Longest address that still makes a code which fits a terminal.
const LONGEST: usize = 900;

/// Opens the system's browser; says whether one was started.
pub(super) fn open(url: &str) -> bool {
    let (program, arguments): (_, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else if ["DISPLAY", "WAYLAND_DISPLAY", "BROWSER"].iter().any(|name| std::env::var_os(name).is_some()) {
        ("xdg-open", &[])
    } else {
        return false;
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .is_ok()
}

/// As a QR code, where a person can see it.
pub(super) fn qr(url: &str, output: &mut Output) {
    if !std::io::stderr().is_terminal() || url.len() > LONGEST {
        return;
    }
    if let Ok(code) = QrCode::with_error_correction_level(url, EcLevel::L) {
        output.note(code.render::<Dense1x2>().quiet_zone(true).build());
    }
}
