//! What may be typed. What it means is found where it is used: a path is opened by the command that reads it.

mod bench;

use std::net::SocketAddr;
use std::path::PathBuf;

use ::segment::labels::LabelScheme;
use ::segment::precision::Precision;
use clap::{ArgGroup, Parser, Subcommand, ValueEnum};
use kernels::IsaName;

use crate::interrupt::First;

pub(crate) use bench::{
    Bench, BenchCase, BenchConv, BenchConvergence, BenchLayers, BenchNet, BenchPeak, NetName, PassName,
};

/// Finds brain tumours in MRI. Research use only, not a medical device.
#[derive(Debug, Parser)]
#[command(name = "glioscope", version, max_term_width = 110, after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 the work failed, 2 wrong usage, 130 stopped by Ctrl-C or SIGTERM.\n\
                          A second Ctrl-C ends at once. However a command ends, nothing half-written takes a \
                          result's name.";

/// What every command knows.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Everywhere {
    /// Threads to compute with [default: one for each core]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Use no more than this instruction set [default: the best that the machine has]
    #[arg(long, global = true, value_name = "ISA")]
    pub(crate) isa: Option<Isa>,
    /// Say nothing on stderr but errors
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
}

/// An instruction set by its name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Isa {
    /// Plain Rust
    Scalar,
    /// AVX2 and FMA
    Avx2,
    /// AVX-512F
    Avx512,
}

impl From<Isa> for IsaName {
    fn from(isa: Isa) -> Self {
        match isa {
            Isa::Scalar => Self::Scalar,
            Isa::Avx2 => Self::Avx2,
            Isa::Avx512 => Self::Avx512,
        }
    }
}

/// In which numbers a network computes, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionName {
    /// The fastest that the machine and the model allow, and that keeps the labels
    Auto,
    /// All in f32
    F32,
    /// Stored in half precision, computed in f32
    F16,
    /// With AMX products in bfloat16, stored in half precision; elsewhere stored in bfloat16, computed in f32
    Bf16,
    /// As f16, most products in 16-bit integers: needs AVX-512 VNNI and a calibrated model
    Int16,
    /// As int16, the two lowest levels in 8-bit integers: to compare with
    Int8,
}

impl PrecisionName {
    /// What was named; none leaves it to the machine and the model.
    pub(crate) fn named(self) -> Option<Precision> {
        match self {
            Self::Auto => None,
            Self::F32 => Some(Precision::F32),
            Self::F16 => Some(Precision::F16),
            Self::Bf16 => Some(Precision::Bf16),
            Self::Int16 => Some(Precision::Int16),
            Self::Int8 => Some(Precision::Int8),
        }
    }
}

/// What the numbers in a mask mean, by its name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Scheme {
    /// 1 necrotic core, 2 oedema, 4 enhancing (BraTS 2017 to 2022)
    Brats2020,
    /// 1 necrotic core, 2 oedema, 3 enhancing (BraTS 2023 and later)
    Brats2023,
    /// 1 oedema, 2 non-enhancing core, 3 enhancing (Decathlon)
    Msd,
}

impl From<Scheme> for LabelScheme {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Brats2020 => Self::Brats2020,
            Scheme::Brats2023 => Self::Brats2023,
            Scheme::Msd => Self::Msd,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the cases under PATH: what is there, missing, doubled, on another grid
    Inspect(Inspect),
    /// Make heads with tumours and exact labels
    Phantom(Phantom),
    /// Train a model
    Train(Train),
    /// Find the tumour of a case: labels.nii.gz, report.json, overview.png
    Segment(Segment),
    /// Compare predicted masks with those of experts: scores, means, the table of the report
    Evaluate(Evaluate),
    /// Time a network, its layers, a whole case, or the machine's peaks
    #[command(subcommand)]
    Bench(Bench),
    /// Say what a model is made of
    #[command(subcommand)]
    Model(Model),
    /// Compare recipes
    #[command(subcommand)]
    Recipe(Recipe),
    /// Start the application: a page for patients, studies and results
    Serve(Serve),
    /// Make, change and list accounts of the application
    #[command(subcommand)]
    User(User),
    /// Take jobs from the queue of a server, which starts one itself unless its settings say otherwise
    Worker(Worker),
    /// Bring the tables of the database up to this version, as `serve` does when it starts
    Migrate(Migrate),
    /// Copy everything that a server keeps, while it runs; again into the same folder copies what is new
    Backup(Backup),
    /// Bring a backup back into an empty store, on the same or another kind of database
    Restore(Restore),
    /// Read every file that a server keeps and say what is damaged, missing or left over
    Check(Check),
    /// Segment one study for a worker, which says on the standard input which
    #[command(hide = true)]
    Child,
    /// Print what makes a shell complete the commands
    Completions(Completions),
}

impl Command {
    /// What the first Ctrl-C does to it.
    pub(crate) fn first_signal(&self) -> First {
        match self {
            Self::Model(Model::Info(_))
            | Self::Recipe(_)
            | Self::User(_)
            | Self::Backup(_)
            | Self::Restore(_)
            | Self::Check(_)
            | Self::Completions(_) => First::Ends,
            Self::Inspect(_)
            | Self::Phantom(_)
            | Self::Train(_)
            | Self::Segment(_)
            | Self::Evaluate(_)
            | Self::Bench(_)
            | Self::Model(Model::Calibrate(_))
            | Self::Serve(_)
            | Self::Worker(_)
            | Self::Migrate(_)
            | Self::Child => First::Asks,
        }
    }

    /// Whether stdout is read by a machine.
    pub(crate) fn is_for_machines(&self) -> bool {
        match self {
            Self::Inspect(inspect) => inspect.json,
            Self::Phantom(phantom) => phantom.json,
            Self::Train(train) => train.json,
            Self::Segment(segment) => segment.json,
            Self::Evaluate(evaluate) => evaluate.json,
            Self::Bench(Bench::Net(net)) => net.json,
            Self::Bench(Bench::Conv(conv)) => conv.json,
            Self::Bench(Bench::Layers(layers)) => layers.json,
            Self::Bench(Bench::Case(case)) => case.json,
            Self::Bench(Bench::Convergence(convergence)) => convergence.json,
            Self::Bench(Bench::Peak(peak)) => peak.json,
            Self::Model(Model::Info(model)) => model.json,
            Self::Recipe(Recipe::Diff(diff)) => diff.json,
            Self::User(User::List(list)) => list.json,
            Self::Migrate(migrate) => migrate.json,
            Self::Backup(backup) => backup.json,
            Self::Restore(restore) => restore.json,
            Self::Check(check) => check.json,
            Self::Child => true,
            Self::Model(Model::Calibrate(_))
            | Self::Serve(_)
            | Self::User(_)
            | Self::Worker(_)
            | Self::Completions(_) => false,
        }
    }
}

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// Folders, CSV manifests or dataset.json files; folders are searched at any depth
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Draw the one case here: four sequences side by side, with and without the mask
    #[arg(long, value_name = "FILE.png", conflicts_with = "out")]
    pub(crate) picture: Option<PathBuf>,
    /// Draw each case as CASE.png in this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// What masks mean, instead of what their names say
    #[arg(long)]
    pub(crate) scheme: Option<Scheme>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `phantom`.
#[derive(Debug, clap::Args)]
pub(crate) struct Phantom {
    /// Folder for the cases
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Seed of the first head
    #[arg(long, value_name = "N")]
    pub(crate) seed: u64,
    /// How many heads, of consecutive seeds
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) count: u64,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "what was typed: each is a flag of its own")]
pub(crate) struct Train {
    /// Folders with cases, searched at any depth; several can be given
    #[arg(long, required = true, num_args = 1.., value_name = "DIR")]
    pub(crate) data: Vec<PathBuf>,
    /// A recipe file, or `default` or `original` [default: `default`; with --resume the run's own]
    #[arg(long, value_name = "RECIPE")]
    pub(crate) recipe: Option<PathBuf>,
    /// Folder of the run
    #[arg(long, value_name = "RUN")]
    pub(crate) out: PathBuf,
    /// JSON file that names the cases for training and validation [default: the recipe's rule]
    #[arg(long, value_name = "FILE")]
    pub(crate) split: Option<PathBuf>,
    /// Go on from the last checkpoint
    #[arg(long)]
    pub(crate) resume: bool,
    /// What masks mean, instead of what their names say
    #[arg(long)]
    pub(crate) scheme: Option<Scheme>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `segment`.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("passes").args(["tiles", "whole"]))]
#[expect(clippy::struct_excessive_bools, reason = "what was typed: each is a flag of its own")]
pub(crate) struct Segment {
    /// Folder of one case: four NIfTI files whose names carry the sequence
    pub(crate) case: PathBuf,
    /// Folder for the three results
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// A model file, or `default`
    #[arg(long, value_name = "MODEL", default_value = "default")]
    pub(crate) model: PathBuf,
    /// What the numbers in the mask shall mean [default: as the model says]
    #[arg(long, value_name = "SCHEME")]
    pub(crate) labels: Option<Scheme>,
    /// Show the network the brain in tiles [default: as the model says]
    #[arg(long)]
    pub(crate) tiles: bool,
    /// Show the network the brain in one pass, where memory allows [default: as the model says]
    #[arg(long)]
    pub(crate) whole: bool,
    /// Average over the eight mirrorings of the brain; takes eight times as long
    #[arg(long)]
    pub(crate) mirror: bool,
    /// In which numbers to compute
    #[arg(long, value_name = "PRECISION", default_value = "auto")]
    pub(crate) precision: PrecisionName,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `evaluate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Evaluate {
    /// Folder with the masks of experts
    #[arg(long, value_name = "DIR")]
    pub(crate) reference: PathBuf,
    /// Folder with predicted masks: CASE/labels.nii.gz, CASE.nii.gz, CASE-seg.nii.gz
    #[arg(long, value_name = "DIR")]
    pub(crate) pred: PathBuf,
    /// Folder for the three tables
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// What reference masks mean, instead of what their names say
    #[arg(long)]
    pub(crate) scheme: Option<Scheme>,
    /// What predicted masks mean, instead of what their reports or names say
    #[arg(long, value_name = "SCHEME")]
    pub(crate) pred_scheme: Option<Scheme>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do with a model.
#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Print the card: recipe, cases, scores, licence, hash
    Info(ModelInfo),
    /// Find on some of the cases that a model was trained on what products of integers must know, and write it again
    Calibrate(ModelCalibrate),
}

/// Arguments of `model calibrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelCalibrate {
    /// A model file, or `default`
    #[arg(value_name = "FILE")]
    pub(crate) model: PathBuf,
    /// Folders with cases that it was trained on, searched to any depth
    #[arg(long, value_name = "DIR", num_args = 1.., required = true)]
    pub(crate) data: Vec<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

/// Arguments of `model info`.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelInfo {
    /// A model file, or `default`
    #[arg(value_name = "FILE")]
    pub(crate) model: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do with recipes.
#[derive(Debug, Subcommand)]
pub(crate) enum Recipe {
    /// Print the keys on which two recipes differ
    Diff(RecipeDiff),
}

/// Arguments of `recipe diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct RecipeDiff {
    /// A recipe file, or `default` or `original`
    #[arg(value_name = "A")]
    pub(crate) first: PathBuf,
    /// Another
    #[arg(value_name = "B")]
    pub(crate) second: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which server: where its data and settings are.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Place {
    /// Configuration file [default: glioscope/config.toml in ~/.config, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of everything that the application keeps [default: glioscope in ~/.local/share]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Database, `mysql://...` or `postgres://...` [default: SQLite in the folder]; a password belongs into the file
    /// or the variable `GLIOSCOPE_DATABASE`, since others can read the arguments of a program
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,
}

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "what was typed: each is a flag of its own")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Where to listen; other machines need TLS or a proxy [default: 127.0.0.1:8040]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// A name that the server goes by, such as scans.example.org; several can be given
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<String>,
    /// A proxy stands before the server, ends TLS and sets X-Forwarded-For, -Host and -Proto
    #[arg(long)]
    pub(crate) proxy: bool,
    /// Certificates of the server, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Their private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Folder of training runs that the page shows [default: runs in the data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) runs: Option<PathBuf>,
    /// Make no demo patient when there is nothing yet
    #[arg(long)]
    pub(crate) no_demo: bool,
    /// Print the settings as they would be used, without secrets, and end
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make an account; with the first one, everybody must log in from then on
    Add(UserAdd),
    /// Change an account: another role or password, closed or open again
    Change(UserChange),
    /// List the accounts
    List(UserList),
}

/// Arguments of `user add`.
#[derive(Debug, clap::Args)]
pub(crate) struct UserAdd {
    /// What the person types to log in
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What the person may do; the first account must be an administrator
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: RoleName,
    /// Read the password from the first line of stdin [default: make one and print it]
    #[arg(long)]
    pub(crate) password_stdin: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Arguments of `user change`.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").args(["role", "new_password", "password_stdin", "close", "open"]).required(true).multiple(true))]
#[expect(clippy::struct_excessive_bools, reason = "what was typed: each is a flag of its own")]
pub(crate) struct UserChange {
    /// Whose account
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// What the person may do from now on
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<RoleName>,
    /// Make another password and print it; open sessions end
    #[arg(long, conflicts_with = "password_stdin")]
    pub(crate) new_password: bool,
    /// Read another password from the first line of stdin; open sessions end
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// Close the account: nobody logs in with it any more
    #[arg(long, conflicts_with = "open")]
    pub(crate) close: bool,
    /// Open a closed account again
    #[arg(long)]
    pub(crate) open: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Arguments of `user list`.
#[derive(Debug, clap::Args)]
pub(crate) struct UserList {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// A role by its name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleName {
    /// Looks
    Viewer,
    /// Uploads, segments, edits, decides
    Editor,
    /// Makes accounts, chooses models, reads the audit log
    Admin,
}

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Arguments of `worker`.
#[derive(Debug, clap::Args)]
pub(crate) struct Worker {
    #[command(flatten)]
    pub(crate) place: Place,
    /// End when the standard input ends, as it does when the server that started this worker is gone
    #[arg(long, hide = true)]
    pub(crate) until_input_ends: bool,
    /// How long a job stays this worker's without a sign of life
    #[arg(long, hide = true, value_name = "MS")]
    pub(crate) lease_ms: Option<u64>,
}

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `backup`.
#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    /// Folder for the copy
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `restore`.
#[derive(Debug, clap::Args)]
pub(crate) struct Restore {
    /// Folder with the copy
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
