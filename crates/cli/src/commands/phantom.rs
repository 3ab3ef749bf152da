//! `glioscope phantom`: heads with tumours and exact labels.

use segment::phantom::write_phantom;
use segment::staging::Staging;
use serde_json::{Value, json};

use crate::Outcome;
use crate::args;
use crate::interrupt::Interrupt;
use crate::show::{self, Show, Usage};

pub(crate) fn run(args: &args::Phantom, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let last = args
        .seed
        .checked_add(args.count - 1)
        .ok_or_else(|| Usage(format!("--seed {} --count {}: seeds end at {}", args.seed, args.count, u64::MAX)))?;
    drop(Staging::begin(&args.out)?); // a folder that cannot be written is told before a head is drawn
    let bar = show.bar(args.count, "{spinner} phantom {pos}/{len} {wide_bar} {eta}")?;
    let mut made: Vec<Value> = Vec::new();
    for seed in args.seed..=last {
        if interrupt.is_asked() {
            break;
        }
        bar.tick();
        if show == Show::Lines {
            show.note(format_args!("drawing the head of seed {seed}"));
        }
        let folder = write_phantom(&args.out, seed)?;
        bar.inc(1);
        if !show.is_json() {
            bar.suspend(|| show::result(&folder.display().to_string()))?;
        }
        made.push(json!({ "seed": seed, "folder": folder.display().to_string() }));
    }
    bar.finish_and_clear();
    if show.is_json() {
        show::json(&made)?;
    }
    if (made.len() as u64) < args.count {
        show.note(format_args!("stopped after {} of {} phantoms, each of them whole", made.len(), args.count));
        return Ok(Outcome::Stopped);
    }
    Ok(Outcome::Done)
}
