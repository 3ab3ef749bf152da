//! Settings: defaults, then a file, then the environment (`GLIOSCOPE_*`), then flags; read once.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use serde::{Deserialize, Serialize, Serializer};

use crate::db::Location;

/// Everything that can be set. No configuration at all is a good one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The folder that holds everything: images, database, models.
    pub data: PathBuf,
    /// The database: `sqlite:`, `mysql:` or `postgres:`; none: SQLite in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<Secret>,
    /// Names that the server goes by, besides those of the loopback interface.
    pub hosts: Vec<String>,
    /// Whether a proxy stands before the server, ends TLS and sets the X-Forwarded headers.
    pub proxy: bool,
    /// The folder of training runs that the page shows; none: `runs` in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<PathBuf>,
    /// What an empty server shows.
    pub demo: Demo,
    /// How long a login lasts without a visit.
    pub session_days: u32,
    /// How long deleted studies stay in the bin.
    pub bin_days: u32,
    /// Certificate and key of the server itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// How much one person may ask for.
    pub limits: Limits,
    /// The processes that segment.
    pub worker: Workers,
    /// What is written to stderr.
    pub log: Log,
}

/// Certificate and key, in PEM files.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The chain of certificates.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// What the first start makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Demo {
    /// A phantom patient with a study, segmented while the page already shows it.
    Phantom,
    /// Nothing.
    None,
}

/// How much one person may ask for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests per second, in the long run.
    pub requests_per_second: NonZeroU32,
    /// Requests at once.
    pub requests_burst: NonZeroU32,
    /// Bytes of one file, in MiB.
    pub file_mib: u64,
    /// Bytes of one file after decompression, in MiB.
    pub volume_mib: u64,
    /// Files in one ZIP.
    pub zip_entries: usize,
    /// Bytes of all files of a ZIP, in MiB.
    pub zip_mib: u64,
    /// Unfinished uploads of one person, in MiB.
    pub uploads_mib: u64,
    /// Seconds that a sender may be silent in the middle of a request.
    pub silent_seconds: u64,
}

/// The processes that segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workers {
    /// Processes that `serve` starts; 0: they are started elsewhere.
    pub count: u16,
    /// Memory of one segmentation, in MiB; 0: no limit.
    pub memory_mib: u64,
    /// Minutes that one segmentation may take.
    pub minutes: u64,
}

/// What is written to stderr.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// How a line looks.
    pub form: LogForm,
    /// What is said, such as `info` or `server=debug,warn`.
    pub filter: String,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What was typed; it wins over file and environment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Flags {
    /// The configuration file; none: `glioscope/config.toml` in the user's configuration folder, if it is there.
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// As [`Config::listen`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// As [`Config::data`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// As [`Config::database`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// As [`Config::hosts`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// As [`Config::proxy`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<bool>,
    /// As [`Config::tls`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// As [`Config::runs`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<PathBuf>,
    /// As [`Config::demo`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub demo: Option<Demo>,
}

/// A text that is neither logged nor printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The address without its password.
    fn masked(&self) -> String {
        let Some((scheme, rest)) = self.0.split_once("://") else { return "***".to_owned() };
        match rest.rsplit_once('@') {
            Some((person, place)) => {
                let name = person.split(':').next().unwrap_or_default();
                format!("{scheme}://{name}:***@{}", place.split('?').next().unwrap_or_default())
            }
            None => format!("{scheme}://{}", rest.split('?').next().unwrap_or_default()),
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.masked())
    }
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file or variable holds what is not a setting.
    #[error("the configuration cannot be read: {0}")]
    Unreadable(Box<figment::Error>),
    /// The file that was named is not there.
    #[error("{}: there is no such configuration file", .0.display())]
    NoFile(PathBuf),
    /// No data folder was named, and the user has no home.
    #[error("there is no home folder: say where to keep data with --data DIR")]
    NoHome,
    /// Passwords and images would travel in the clear.
    #[error(
        "{0} can be reached from other machines, so it needs TLS: give [tls] certificate and key (--tls-cert, \
         --tls-key), or --proxy if a proxy ends TLS before the server, or listen on 127.0.0.1"
    )]
    InTheClear(SocketAddr),
    /// A TLS file is not there.
    #[error("{}: there is no such file (tls)", .0.display())]
    NoTls(PathBuf),
    /// A name of the server is no name.
    #[error("{0:?} in hosts is no host name: give names such as scans.example.org, without scheme or path")]
    BadHost(String),
    /// The settings cannot be shown.
    #[error("the configuration cannot be shown: {0}")]
    Unshowable(toml::ser::Error),
}

impl Config {
    /// The settings of this start.
    ///
    /// # Errors
    /// [`ConfigError`], in words that say which file or variable and what to do.
    pub fn read(flags: &Flags) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Self::plain(xdg_folder().unwrap_or_default())));
        if let Some(file) = file(flags)? {
            figment = figment.merge(Toml::file_exact(file));
        }
        // GLIOSCOPE_REAL names the folder of real cases in tests, and is no setting.
        let environment = Env::prefixed("GLIOSCOPE_").ignore(&["real", "config"]).split("__");
        let config: Self = figment
            .merge(environment)
            .merge(Serialized::globals(flags))
            .extract()
            .map_err(|error| ConfigError::Unreadable(Box::new(error)))?;
        if config.data.as_os_str().is_empty() {
            return Err(ConfigError::NoHome);
        }
        config.check()?;
        Ok(config)
    }

    /// Settings for a folder, as they are where nothing is set.
    pub fn plain(folder: PathBuf) -> Self {
        const ONE: NonZeroU32 = NonZeroU32::MIN;
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8040)),
            data: folder,
            database: None,
            hosts: Vec::new(),
            proxy: false,
            tls: None,
            runs: None,
            demo: Demo::Phantom,
            session_days: 30,
            bin_days: 30,
            limits: Limits {
                requests_per_second: NonZeroU32::new(100).unwrap_or(ONE),
                requests_burst: NonZeroU32::new(400).unwrap_or(ONE),
                file_mib: 512,
                volume_mib: 1024,
                zip_entries: 2000,
                zip_mib: 8192,
                uploads_mib: 16 * 1024,
                silent_seconds: 30,
            },
            worker: Workers { count: 1, memory_mib: 8192, minutes: 30 },
            log: Log { form: LogForm::Text, filter: "info".to_owned() },
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        if !self.listen.ip().is_loopback() && self.tls.is_none() && !self.proxy {
            return Err(ConfigError::InTheClear(self.listen));
        }
        if let Some(tls) = &self.tls {
            for file in [&tls.certificate, &tls.key] {
                if !file.is_file() {
                    return Err(ConfigError::NoTls(file.clone()));
                }
            }
        }
        let bad = |host: &&String| host.is_empty() || host.contains(['/', ' ', '@', '?', '#', '*']);
        self.hosts.iter().find(bad).map_or(Ok(()), |host| Err(ConfigError::BadHost(host.clone())))
    }

    /// Where the database is.
    pub fn location(&self) -> Location {
        Location::of(self.database.as_ref().map(Secret::reveal), &self.data)
    }

    /// The folder of the files that are named by their hash.
    pub fn files_folder(&self) -> PathBuf {
        self.data.join("files")
    }

    /// The folder of what can be found out again.
    pub fn cache_folder(&self) -> PathBuf {
        self.data.join("cache")
    }

    /// The folder of training runs.
    pub fn runs_folder(&self) -> PathBuf {
        self.runs.clone().unwrap_or_else(|| self.data.join("runs"))
    }

    /// Whether nobody but users of this computer can come, and nobody comes through a proxy.
    pub fn is_local(&self) -> bool {
        self.listen.ip().is_loopback() && !self.proxy
    }

    /// The settings as a file, without secrets.
    ///
    /// # Errors
    /// [`ConfigError::Unshowable`] if a path is not text.
    pub fn shown(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(ConfigError::Unshowable)
    }
}

/// The configuration file: the one that was named, or the user's, if there is one.
fn file(flags: &Flags) -> Result<Option<PathBuf>, ConfigError> {
    let named = flags.config.clone().or_else(|| std::env::var_os("GLIOSCOPE_CONFIG").map(PathBuf::from));
    match named {
        Some(named) if named.is_file() => Ok(Some(named)),
        Some(named) => Err(ConfigError::NoFile(named)),
        None => Ok(folder("XDG_CONFIG_HOME", ".config").map(|at| at.join("config.toml")).filter(|file| file.is_file())),
    }
}

/// Where a user's programs keep data (XDG Base Directory Specification 0.8).
fn xdg_folder() -> Option<PathBuf> {
    folder("XDG_DATA_HOME", ".local/share")
}

/// Where a user's programs keep what can be found out again (the same specification); `None` where the user has no home.
pub fn user_cache() -> Option<PathBuf> {
    folder("XDG_CACHE_HOME", ".cache")
}

fn folder(variable: &str, under_home: &str) -> Option<PathBuf> {
    // A relative path in these variables is to be ignored, says the specification.
    let set = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::home_dir().filter(|home| home.is_absolute());
    set.or_else(|| home().map(|home| home.join(Path::new(under_home)))).map(|at| at.join("glioscope"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, flags: Flags) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, text).unwrap();
        Config::read(&Flags { config: Some(file), data: Some(folder.path().to_owned()), ..flags })
    }

    #[test]
    fn flags_win_over_the_file() {
        let flags = Flags { listen: Some(([127, 0, 0, 1], 9000).into()), ..Flags::default() };
        let config = read("listen = \"127.0.0.1:8000\"\nsession_days = 3\n[limits]\nfile_mib = 7\n", flags).unwrap();
        assert_eq!((config.listen.port(), config.session_days, config.limits.file_mib), (9000, 3, 7));
        assert_eq!(config.limits.zip_entries, 2000, "what the file leaves out keeps its default");
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let refused = read("lisen = \"127.0.0.1:8000\"\n", Flags::default()).unwrap_err().to_string();
        assert!(refused.contains("lisen"), "{refused}");
    }

    #[test]
    fn other_machines_need_tls_or_a_proxy() {
        let far = "listen = \"0.0.0.0:8040\"\n";
        assert!(matches!(read(far, Flags::default()), Err(ConfigError::InTheClear(_))));
        assert!(read(&format!("{far}proxy = true\n"), Flags::default()).is_ok());
    }

    #[test]
    fn passwords_are_not_shown() {
        let flags =
            Flags { database: Some("postgres://kim:geheim@db.example/x?sslmode=off".into()), ..Flags::default() };
        let config = read("", flags).unwrap();
        assert_eq!(config.location(), Location::Server("postgres://kim:geheim@db.example/x?sslmode=off".to_owned()));
        let shown = format!("{} {config:?}", config.shown().unwrap());
        assert!(!shown.contains("geheim") && shown.contains("postgres://kim:***@db.example/x"), "{shown}");
    }

    #[test]
    fn what_is_shown_can_be_read_again() {
        let shown = read("[worker]\ncount = 2\n", Flags::default()).unwrap().shown().unwrap();
        assert_eq!(read(&shown, Flags::default()).unwrap().worker.count, 2);
    }
}
