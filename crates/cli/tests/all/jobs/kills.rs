//! kill -9 of worker or server at any moment loses nothing and doubles nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sea_orm::{EntityTrait, QueryOrder};
use server::entity::{job, measurement, segmentation};
use server::jobs::State;
use server::upkeep::{Finding, check};

use crate::jobs::material::{Running, Store, block_on, children, signal};

const KILLS: usize = 20;
const LIMIT: Duration = Duration::from_secs(90);

/// Numbers that look random and are the same in every run (`SplitMix64`, Steele et al. 2014).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

/// Whom to kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    Worker,
    Server,
    /// Both, and nobody sees the worker die: its lease must end by itself.
    Both,
}

fn serve(store: &Store) -> Running {
    Running::start(store.glioscope("serve").args(["--no-demo", "--listen", "127.0.0.1:0"]))
}

#[test]
fn twenty_kills_during_twenty_jobs() {
    block_on(async {
        let store = Store::new().await;
        let mut jobs = Vec::new();
        let mut studies = Vec::new();
        for seed in 0..KILLS {
            studies.push(store.study(seed as u64).await);
        }
        let began = Instant::now();
        let mut server = serve(&store);
        let mut dice = Dice(9);
        let mut seen = BTreeSet::new();
        for (kill, &study) in studies.iter().enumerate() {
            jobs.push(store.wish(study).await);
            let worker = busy(&store, &server, began).await;
            let victim = match (kill, dice.below(2)) {
                (10, _) => Victim::Both,
                (_, 0) => Victim::Server,
                (_, _) => Victim::Worker,
            };
            if victim != Victim::Both {
                // Anywhere in the job, after its end, or while the next one begins: the moment is the test.
                tokio::time::sleep(Duration::from_millis(dice.below(450))).await;
            }
            seen.extend(children(worker).into_iter().chain([worker]));
            if victim == Victim::Both {
                signal("-STOP", server.id());
            }
            if victim != Victim::Server {
                signal("-KILL", worker);
            }
            if victim != Victim::Worker {
                server.kill();
                server = serve(&store);
            }
            println!("kill {kill}: {victim:?} after {:.1} s", began.elapsed().as_secs_f64());
        }
        for &id in &jobs {
            store.until(id, |row| row.ended_at.is_some()).await;
        }
        println!("all jobs ended after {:.1} s", began.elapsed().as_secs_f64());
        assert!(began.elapsed() < LIMIT, "within {LIMIT:?}");
        assert!(server.end(), "a server that is asked to end ends well");
        nothing_lost_nothing_doubled(&store).await;
        nobody_left(&seen).await;
    });
}

/// Waits until a worker of the server has a job; its process.
async fn busy(store: &Store, server: &Running, began: Instant) -> u32 {
    loop {
        let mine = children(server.id());
        let named = |row: &job::Model| row.worker.as_deref()?.rsplit_once('/')?.1.parse().ok();
        if let Some(worker) = store.running().await.iter().filter_map(named).find(|id| mine.contains(id)) {
            return worker;
        }
        assert!(began.elapsed() < LIMIT, "no worker takes a job");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn nothing_lost_nothing_doubled(store: &Store) {
    let jobs = job::Entity::find().order_by_asc(job::Column::Id).all(&store.db).await.unwrap();
    let made = segmentation::Entity::find().all(&store.db).await.unwrap();
    println!("workers that were lost: {}", jobs.iter().map(|row| row.lost).sum::<i32>());
    for row in &jobs {
        assert_eq!((row.state, row.attempt), (State::Done, 1), "a killed worker is no attempt: {row:?}");
        let of_study: Vec<_> = made.iter().filter(|made| made.study_id == row.study_id).collect();
        assert_eq!(of_study.len(), 1, "one segmentation a study: {of_study:?}");
        assert_eq!((Some(of_study[0].id), of_study[0].number), (row.segmentation_id, 1));
        assert!(measurement::Entity::find_by_id(of_study[0].id).one(&store.db).await.unwrap().is_some());
    }
    assert_eq!((jobs.len(), made.len()), (20, 20));
    // A kill between a blob's name and its row leaves a file that nobody knows, which is no loss.
    let mut findings = check(&store.db, &store.files).await.unwrap().findings;
    findings.retain(|finding| !matches!(finding, Finding::Orphan { .. }));
    assert_eq!(findings, vec![]);
}

/// Whoever was seen to work is gone: a worker ends with its server, a child with its worker.
async fn nobody_left(seen: &BTreeSet<u32>) {
    let began = Instant::now();
    let alive = |id: &u32| {
        let line = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        line.contains("glioscope") && (line.contains("worker") || line.contains("child"))
    };
    while let Some(id) = seen.iter().find(|id| alive(id)) {
        assert!(began.elapsed() < Duration::from_secs(20), "process {id} is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
