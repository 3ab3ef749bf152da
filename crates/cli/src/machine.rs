//! What the work runs on: an instruction set and a pool of threads.

use anyhow::Context;
use kernels::{Cpu, IsaName};
use rayon::ThreadPool;

use crate::Outcome;
use crate::args::Everywhere;
use crate::show::Usage;

/// A processor and threads.
pub(crate) struct Machine {
    cpu: Cpu,
    pool: ThreadPool,
}

impl Machine {
    /// The machine that was asked for.
    ///
    /// # Errors
    /// [`Usage`] for an instruction set that this machine lacks.
    pub(crate) fn of(args: Everywhere) -> anyhow::Result<Self> {
        let cpu = match args.isa.map(IsaName::from) {
            None => Cpu::detect(),
            Some(name) => Cpu::lowered_to(name).ok_or_else(|| {
                let known: Vec<&str> = Cpu::all().into_iter().map(|cpu| cpu.name().as_str()).collect();
                Usage(format!("--isa {}: this machine lacks it; it has {}", name.as_str(), known.join(", ")))
            })?,
        };
        let threads = args.threads.map_or(0, usize::from); // 0: as many as cores
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().context("threads cannot be made")?;
        Ok(Self { cpu, pool })
    }

    /// Does the work on this machine.
    pub(crate) fn run(&self, work: impl FnOnce(Cpu) -> anyhow::Result<Outcome> + Send) -> anyhow::Result<Outcome> {
        self.pool.install(|| work(self.cpu))
    }
}
