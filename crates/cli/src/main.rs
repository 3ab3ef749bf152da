//! The command line of Glioscope.

use std::path::PathBuf;

use segment::train::{Event, Flow, Start, TrainingCases, train};

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().collect();
    // glioscope train RECIPE OUT SPLIT new|resume DATA...
    let recipe = segment::recipe::Recipe::read(&PathBuf::from(&args[2]))?;
    let out = PathBuf::from(&args[3]);
    let split = segment::split::Split::read(&PathBuf::from(&args[4]))?;
    let start = if args[5] == "resume" { Start::Resume } else { Start::New };
    let folders: Vec<PathBuf> = args[6..].iter().map(PathBuf::from).collect();
    let found = segment::dataset::find(&folders)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build()?;
    pool.install(|| -> anyhow::Result<()> {
        let cases = TrainingCases::read(&found, &split, recipe.preparing.method, None)?;
        eprintln!("{} training cases, {} held", cases.train.len(), cases.held.len());
        train(kernels::Cpu::detect(), &recipe, cases, (&out, start), &mut |event| {
            match event {
                Event::Step { done, loss, dice, left, .. } if done % 20 == 0 => {
                    eprintln!("{done} loss {loss:.4} dice {dice:.3?} left {left:?}");
                }
                Event::Step { .. } => {}
                Event::Validated { done, dice } => eprintln!("{done} validation {dice:.4?}"),
            }
            Flow::Continue
        })?;
        Ok(())
    })
}
