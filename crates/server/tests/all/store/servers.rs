//! Database servers of a test: started with it, ended with it, seen by nobody else.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;
use server::db::{Db, Location};
use tempfile::TempDir;

/// A database without tables, and the folder for files beside it.
pub(crate) struct Place {
    pub(crate) location: Location,
    pub(crate) folder: TempDir,
}

/// Where databases are made.
pub(crate) struct Databases {
    server: Option<Running>,
}

/// A server that ends with its test.
struct Running {
    child: Child,
    url: Box<dyn Fn(&str) -> String + Send + Sync>,
    signal: &'static str,
    _folder: Arc<TempDir>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args([self.signal, &id]).status().ok();
        self.child.wait().ok();
    }
}

impl Databases {
    pub(crate) fn sqlite() -> Self {
        Self { server: None }
    }

    pub(crate) fn mariadb() -> Option<Self> {
        let program = first(&["/usr/sbin/mariadbd", "/usr/local/sbin/mariadbd"])?;
        let install = first(&["/usr/bin/mariadb-install-db", "/usr/local/bin/mariadb-install-db"])?;
        let folder = Arc::new(private_folder());
        let (at, socket) = (folder.path().join("d"), folder.path().join("s"));
        let datadir = format!("--datadir={}", at.display());
        run(ordinary(&install, folder.path())
            .args(["--no-defaults", &datadir, "--skip-test-db"])
            .args(["--auth-root-authentication-method=normal", "--skip-name-resolve"]));
        let child = ordinary(&program, folder.path())
            .args(["--no-defaults", &datadir, &format!("--socket={}", socket.display()), "--skip-networking"])
            .args([&format!("--pid-file={}", folder.path().join("pid").display()), "--innodb-buffer-pool-size=32M"])
            .args(["--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve", "--character-set-server=utf8mb4"])
            .spawn()
            .unwrap();
        let place = socket.display().to_string();
        let url = move |name: &str| format!("mysql://root@localhost/{name}?socket={place}&ssl-mode=disabled");
        Some(Self { server: Some(Running { child, url: Box::new(url), signal: "-TERM", _folder: folder }) })
    }

    pub(crate) fn postgres() -> Option<Self> {
        let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .collect();
        versions.sort();
        let bin = versions.into_iter().rfind(|bin| bin.join("postgres").is_file())?;
        let folder = Arc::new(private_folder());
        let at = folder.path().join("d");
        let datadir = at.display().to_string();
        run(ordinary(&bin.join("initdb"), folder.path()).args([
            "-D",
            &datadir,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]));
        let socket = folder.path().display().to_string();
        let child = ordinary(&bin.join("postgres"), folder.path())
            .args(["-D", &datadir, "-k", &socket, "-c", "listen_addresses=", "-c", "fsync=off"])
            .spawn()
            .unwrap();
        let url = move |name: &str| format!("postgres://postgres@localhost/{name}?host={socket}&sslmode=disable");
        Some(Self { server: Some(Running { child, url: Box::new(url), signal: "-INT", _folder: folder }) })
    }

    /// A database of its own for one part of the suite.
    pub(crate) async fn fresh(&self, name: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let Some(server) = &self.server else {
            return Place { location: Location::of(None, folder.path()), folder };
        };
        let first = if (server.url)("").starts_with("mysql") { "mysql" } else { "postgres" };
        let admin = Location::Server((server.url)(first));
        let began = Instant::now();
        let db = loop {
            match Db::connect(&admin).await {
                Ok(db) => break db,
                Err(error) if began.elapsed() > Duration::from_mins(1) => panic!("the server does not start: {error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await, // it says nothing when it is ready
            }
        };
        db.execute_unprepared(&format!("CREATE DATABASE part_{name}")).await.unwrap();
        db.close().await.unwrap();
        Place { location: Location::Server((server.url)(&format!("part_{name}"))), folder }
    }
}

fn first(paths: &[&str]) -> Option<PathBuf> {
    paths.iter().map(PathBuf::from).find(|path| path.is_file())
}

/// Nobody, where the test is run by root: the servers refuse root.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0)
}

/// A folder for a server's files, with a short name: a socket's path has room for 107 letters.
fn private_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("gl").tempdir_in("/tmp").unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    if is_root() {
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    folder
}

/// A program as an ordinary user, which ends when the test is killed.
fn ordinary(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()]);
    }
    command.args(["--pdeathsig", "KILL"]).arg(program).current_dir(folder).env("HOME", folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn run(command: &mut Command) {
    let done = command.stderr(Stdio::piped()).output().unwrap();
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}
