//! Patches made ahead of the engine, in order, by threads of their own.
//!
//! A patch depends on its place in the training alone, never on which thread makes it or when, so a run with any number of
//! threads, or one that was resumed, sees the same patches.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::augment::apply::apply;
use crate::augment::draw::Augmentation;
use crate::augment::filter::Scratch;
use crate::recipe::Recipe;
use crate::recipe::drawing::{Augmenting, Sampling};
use crate::recipe::training::Stage;
use crate::sample::{Patch, PatchPlan, Request, Sources, draw_patch};

/// Patches that wait for training at least: some take much longer to make than others.
const LEAST_AHEAD: usize = 4;

/// All that decides what the patches of a training are.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Cases.
    pub sources: Sources,
    /// Seed of the training.
    pub seed: u64,
    /// Which patches are cut.
    pub sampling: Sampling,
    /// How they are changed.
    pub augmenting: Augmenting,
    /// Patch and batch sizes of the steps.
    pub stages: Vec<Stage>,
}

impl Feed {
    /// The feed that a recipe asks for.
    pub fn new(sources: Sources, recipe: &Recipe) -> Self {
        Self {
            sources,
            seed: recipe.training.seed,
            sampling: recipe.sampling.clone(),
            augmenting: recipe.augmentation.clone(),
            stages: recipe.training.stage.clone(),
        }
    }

    /// Number of steps of all stages.
    pub fn n_steps(&self) -> u64 {
        self.stages.iter().map(|stage| stage.steps).sum()
    }

    /// Number of patches that come before a step.
    pub fn n_patches_before(&self, step: u64) -> u64 {
        let mut left = step;
        let mut number = 0;
        for stage in &self.stages {
            let steps = left.min(stage.steps);
            number += steps * stage.batch as u64;
            left -= steps;
        }
        number
    }

    /// Patches to make ahead: those of the next step at least, so that it finds all of them when this one has computed.
    pub fn n_ahead(&self) -> usize {
        self.stages.iter().map(|stage| stage.batch).fold(LEAST_AHEAD, usize::max)
    }

    /// What patch `number` of the training is; `None` past the last.
    pub fn request(&self, number: u64) -> Option<Request> {
        let (mut first_step, mut first_number) = (0, 0);
        for stage in &self.stages {
            let (batch, past) = (stage.batch as u64, number - first_number);
            if past < stage.steps * batch {
                let (step, index) = (first_step + past / batch, past % batch);
                return Some(Request { seed: self.seed, step, index, number, patch: stage.patch });
            }
            first_step += stage.steps;
            first_number += stage.steps * batch;
        }
        None
    }

    /// Draws where the patch of a request is cut and what happens to it.
    pub fn draw(&self, request: &Request) -> (PatchPlan, Augmentation) {
        let mut rng = request.rng();
        let plan = draw_patch(&self.sources, &self.sampling, request, &mut rng);
        let donors = self.sources.donors_for(plan.case);
        let augmentation = Augmentation::draw(&self.augmenting, &donors, &mut rng);
        (plan, augmentation)
    }

    /// Makes one patch: draws, then applies.
    pub fn make(&self, request: Request, scratch: &mut Scratch, mut patch: Patch) -> Sample {
        let (plan, augmentation) = self.draw(&request);
        apply(&self.sources, &plan, &augmentation, scratch, &mut patch);
        let case = self.sources.all()[plan.case].name.clone();
        Sample { request, case, plan, augmentation, patch }
    }
}

/// A patch and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Which patch of the training it is.
    pub request: Request,
    /// The name of the case that it was cut from.
    pub case: String,
    /// Where it was cut.
    pub plan: PatchPlan,
    /// What happened to it.
    pub augmentation: Augmentation,
    /// What the net sees.
    pub patch: Patch,
}

/// A thread that makes patches panicked; no more will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a thread that makes training patches stopped; the patches before it were delivered")]
pub struct PrefetchStopped;

#[derive(Debug)]
struct State {
    /// Number of the next patch that a thread takes on.
    next: u64,
    /// Number of the next patch that training takes.
    wanted: u64,
    ready: BTreeMap<u64, Sample>,
    spare: Vec<Patch>,
    ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Running,
    Closed,
    Broken,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Training waits for a patch.
    filled: Condvar,
    /// Threads wait for room.
    room: Condvar,
}

impl Shared {
    /// The state; a panic while it was held cannot leave it half changed, for no code under the lock can panic midway.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, ending: Ending) {
        self.lock().ending = ending;
        self.filled.notify_all();
        self.room.notify_all();
    }
}

/// Threads that keep a bounded queue of patches filled. Dropping it stops and joins them.
#[derive(Debug)]
pub struct Prefetch {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    n_patches: u64,
    waited: Duration,
}

impl Prefetch {
    /// Starts `threads` threads (at least one) at `first_step`; at most `depth` patches (at least one) are made ahead.
    pub fn start(feed: Feed, first_step: u64, threads: usize, depth: usize) -> Self {
        let next = feed.n_patches_before(first_step);
        let n_patches = feed.n_patches_before(feed.n_steps());
        let state = State { next, wanted: next, ready: BTreeMap::new(), spare: Vec::new(), ending: Ending::Running };
        let shared = Arc::new(Shared { state: Mutex::new(state), filled: Condvar::new(), room: Condvar::new() });
        let feed = Arc::new(feed);
        let threads = (0..threads.max(1))
            .map(|_| {
                let (shared, feed) = (Arc::clone(&shared), Arc::clone(&feed));
                std::thread::spawn(move || work(&shared, &feed, depth.max(1) as u64))
            })
            .collect();
        Self { shared, threads, n_patches, waited: Duration::ZERO }
    }

    /// The next patch in order; `None` after the last of the training.
    ///
    /// # Errors
    /// If a thread panicked and the patch will never come.
    pub fn next_sample(&mut self) -> Result<Option<Sample>, PrefetchStopped> {
        let begun = Instant::now();
        let mut state = self.shared.lock();
        if state.wanted >= self.n_patches {
            return Ok(None);
        }
        let wanted = state.wanted;
        loop {
            if let Some(sample) = state.ready.remove(&wanted) {
                state.wanted += 1;
                drop(state);
                self.shared.room.notify_all();
                self.waited += begun.elapsed();
                return Ok(Some(sample));
            }
            if state.ending != Ending::Running {
                return Err(PrefetchStopped);
            }
            state = self.shared.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Gives the memory of a used patch back.
    pub fn recycle(&self, patch: Patch) {
        self.shared.lock().spare.push(patch);
    }

    /// How long training has waited for patches so far.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        self.shared.end(Ending::Closed);
        for thread in self.threads.drain(..) {
            // A panic was already reported as PrefetchStopped.
            let _ = thread.join();
        }
    }
}

/// Tells training if the thread that holds it unwinds.
struct Alarm<'a>(&'a Shared);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end(Ending::Broken);
        }
    }
}

fn work(shared: &Shared, feed: &Feed, depth: u64) {
    let _alarm = Alarm(shared);
    let mut scratch = Scratch::default();
    loop {
        let (number, patch) = {
            let mut state = shared.lock();
            while state.ending == Ending::Running && state.next >= state.wanted + depth {
                state = shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.ending != Ending::Running {
                return;
            }
            let number = state.next;
            state.next += 1;
            (number, state.spare.pop())
        };
        let Some(request) = feed.request(number) else { return };
        let patch = patch.unwrap_or_else(|| Patch::empty(request.patch));
        let sample = feed.make(request, &mut scratch, patch);
        shared.lock().ready.insert(number, sample);
        shared.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::DEFAULT;
    use crate::sample::Case;
    use std::path::Path;

    /// Three steps of six patches each, then five of one.
    fn feed() -> Feed {
        let shape = [10, 12, 9];
        let n: usize = shape.iter().product();
        let image = (0..4 * n).map(|i| (i as f32 * 0.37).sin()).collect();
        let labels = (0..n).map(|voxel| u8::from(voxel % 7 == 0)).collect();
        let case = Case { name: "case".to_owned(), shape, image, labels };
        let recipe = Recipe::parse(DEFAULT, Path::new("default")).unwrap();
        let mut feed = Feed::new(Sources::new(vec![case], Vec::new(), 2).unwrap(), &recipe);
        feed.stages =
            vec![Stage { steps: 3, patch: [8, 8, 8], batch: 6 }, Stage { steps: 5, patch: [6, 8, 10], batch: 1 }];
        feed
    }

    /// Waits, while nobody takes a patch, until as many are ready as there may be, and gives their numbers. The time is an end
    /// for a test that would wait for ever, nothing that it measures.
    fn filled(prefetch: &Prefetch, depth: u64) -> Vec<u64> {
        let shared = &prefetch.shared;
        let lacks = |state: &mut State| state.ready.len() as u64 != depth.min(prefetch.n_patches - state.wanted);
        let (state, wait) = shared
            .filled
            .wait_timeout_while(shared.lock(), Duration::from_mins(5), lacks)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!wait.timed_out(), "the queue was never full");
        assert!(state.next <= state.wanted + depth, "no patch is begun for which there is no room");
        let numbers: Vec<u64> = state.ready.keys().copied().collect();
        assert_eq!(numbers, (state.wanted..state.wanted + numbers.len() as u64).collect::<Vec<_>>(), "the next ones");
        numbers
    }

    #[test]
    fn the_next_step_finds_all_its_patches_made_while_this_one_computes() {
        let feed = feed();
        let depth = feed.n_ahead();
        assert_eq!((depth, feed.n_patches_before(feed.n_steps())), (6, 23));
        for threads in 1..=3 {
            let mut prefetch = Prefetch::start(feed.clone(), 0, threads, depth);
            let mut taken = 0;
            for batch in [6; 3].into_iter().chain([1; 5]) {
                // The step before computes, and takes nothing meanwhile.
                assert!(filled(&prefetch, depth as u64).len() >= batch, "a whole step is ready");
                for _ in 0..batch {
                    let sample = prefetch.next_sample().unwrap().unwrap();
                    assert_eq!(sample.request.number, taken, "in order, on {threads} threads");
                    taken += 1;
                    prefetch.recycle(sample.patch);
                }
            }
            assert_eq!(prefetch.next_sample(), Ok(None), "{threads} threads");
        }
    }

    /// Once the threads have ended, nobody could wake a training that waits: what it still gets, it got without waiting.
    #[test]
    fn what_is_ready_is_taken_without_waiting() {
        let feed = feed();
        let depth = feed.n_ahead();
        let mut prefetch = Prefetch::start(feed, 0, 2, depth);
        let ready = filled(&prefetch, depth as u64);
        prefetch.shared.end(Ending::Closed);
        for thread in prefetch.threads.drain(..) {
            thread.join().unwrap();
        }
        for number in ready {
            assert_eq!(prefetch.next_sample().unwrap().unwrap().request.number, number);
        }
        assert_eq!(prefetch.next_sample(), Err(PrefetchStopped), "and says so when there is nothing to wait for");
    }
}
