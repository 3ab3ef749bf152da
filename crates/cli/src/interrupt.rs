//! Ctrl-C and SIGTERM: the first asks the work to stop where it may, the second ends the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use segment::train::Flow;

use crate::show::Show;

/// The exit code of a stopped command: 128 + SIGINT, as shells have it.
pub(crate) const EXIT: u8 = 130;

/// Whether a stop was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// What the first signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum First {
    /// It asks the command, which looks whether it was asked.
    Asks,
    /// It ends the command, which is short, waits for someone, or is made to be ended anywhere.
    Ends,
}

impl Interrupt {
    /// Listens to the signals from here on.
    pub(crate) fn listen(first: First, show: Show) -> anyhow::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&asked);
        ctrlc::set_handler(move || {
            if heard.swap(true, Ordering::Relaxed) || first == First::Ends {
                end();
            }
            show.note("stopping as soon as nothing is left half-done; Ctrl-C again ends at once");
        })
        .context("Ctrl-C cannot be listened to")?;
        Ok(Self(asked))
    }

    /// What the work should do.
    pub(crate) fn flow(&self) -> Flow {
        if self.is_asked() { Flow::Stop } else { Flow::Continue }
    }

    /// Whether a stop was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is in the making is hidden, and the next run removes it.
#[expect(clippy::exit, reason = "the work did not get to a place where it could stop, or has none")]
fn end() -> ! {
    std::process::exit(i32::from(EXIT))
}
