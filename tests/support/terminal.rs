//! The binary in a terminal of its own: a pseudo-terminal, a person's keys, and what would be seen on the screen.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::config::Config;
use super::proxy::settle;
use super::wait::{PATIENCE, eventually};

/// Rows and columns of a new terminal.
const SIZE: (NonZeroU16, NonZeroU16) = (NonZeroU16::new(24).unwrap(), NonZeroU16::new(100).unwrap());

/// A terminal and the command in it. Dropping it kills the command.
pub struct Terminal {
    child: Child,
    master: File,
    /// Kept open, so that what the command leaves behind can be looked at.
    slave: File,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    /// Starts a command of the binary in this home.
    pub fn start(home: &Path, config: &Config, arguments: &[&str]) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(name).unwrap();
        let master = File::from(master);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(SIZE.0, SIZE.1, 0)));
        // With a terminal that controls it, so that it hears of its size and of Ctrl+C as usual.
        let mut command = Command::new("setsid");
        command.args(["--ctty", env!("CARGO_BIN_EXE_ccproxy")]).args(arguments);
        settle(&mut command, home, config);
        let end = || Stdio::from(slave.try_clone().unwrap());
        command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(end());
        let terminal = Terminal { child: command.spawn().expect("setsid starts"), master, slave, screen };
        terminal.resize(SIZE.0.get(), SIZE.1.get());
        let (mut output, screen) = (terminal.master.try_clone().unwrap(), terminal.screen.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                screen.lock().unwrap().process(&buffer[..count]);
            }
        });
        terminal
    }

    /// Makes it larger or smaller.
    pub fn resize(&self, rows: u16, columns: u16) {
        let count = |count| NonZeroU16::new(count).expect("a screen has rows and columns");
        self.screen.lock().unwrap().screen_mut().set_size(count(rows), count(columns));
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
    }

    /// What is on the screen.
    pub fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the screen shows this.
    pub async fn shows(&self, wanted: &str) {
        self.until(wanted, |text| text.contains(wanted)).await;
    }

    /// Waits until the screen is as it should be.
    pub async fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        loop {
            let text = self.text();
            if wanted(&text) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "waited in vain for `{what}` on the screen:\n{text}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Presses a key until something is so: one that comes too early is left alone.
    pub async fn press_until(&mut self, key: &str, what: &str, wanted: impl Fn(&str) -> bool) {
        eventually(what, async || {
            self.press(key);
            tokio::time::sleep(Duration::from_millis(150)).await;
            wanted(&self.text()).then_some(())
        })
        .await;
    }

    /// Sends a signal to the command.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Waits for its end; the terminal must be as it was before: lines, echo, the first screen, a cursor.
    pub async fn left(mut self) -> ExitStatus {
        let status = eventually("the end of the command", async || self.child.try_wait().unwrap()).await;
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        let wanted = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        assert!(modes.contains(wanted), "the terminal is left raw: {modes:?}");
        eventually("the first screen and its cursor", async || {
            let parser = self.screen.lock().unwrap();
            (!parser.screen().alternate_screen() && !parser.screen().hide_cursor()).then_some(())
        })
        .await;
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
