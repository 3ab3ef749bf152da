//! `serve`, `user` and `completions`, as whoever starts a server meets them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cli::material::{fail, folder, glioscope, succeed, text, wait};
use crate::cli::stopped::signal;

/// A server that has said where it is.
struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    /// `http` or `https`.
    scheme: String,
    /// Such as `127.0.0.1:40123`.
    at: String,
    /// Such as `/enter?token=...`.
    path: String,
}

impl Server {
    fn start(place: &Path) -> Self {
        let command = glioscope(["serve", "--data", text(place), "--listen", "127.0.0.1:0", "--no-demo"]);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("Glioscope is at ").unwrap_or_else(|| panic!("it said {line:?}"));
        let (scheme, place) = url.split_once("://").unwrap();
        let (at, path) = place.split_once('/').unwrap();
        Self { child, out, scheme: scheme.to_owned(), at: at.to_owned(), path: format!("/{path}") }
    }

    /// One request; head and body of the answer.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (first, rest) = request.split_once('\n').unwrap_or((request, ""));
        let head = format!("{first} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{rest}\r\n", self.at);
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Opens the link; the cookie.
    fn entered(&self) -> String {
        let entered = self.ask(&format!("GET {}", self.path));
        assert!(entered.starts_with("HTTP/1.1 303"), "{entered}");
        let cookie = entered.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// A change, as the page makes it.
    fn change(&self, method_and_path: &str, cookie: &str, kind: &str, body: &str) -> String {
        let length = body.len();
        self.ask(&format!(
            "{method_and_path}\nOrigin: http://{}\r\nX-Glioscope: 1\r\nCookie: {cookie}\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            self.at
        ))
    }

    /// SIGTERM; the exit code, and what it still said.
    fn end(mut self) -> (i32, String, String) {
        signal(&self.child, "TERM");
        let mut out = String::new();
        self.out.read_to_string(&mut out).unwrap();
        let (code, _, err) = wait(self.child);
        (code, out, err)
    }
}

#[test]
fn a_server_prints_its_address_answers_and_ends_when_asked() {
    let root = folder();
    let place = root.path().join("data");
    let server = Server::start(&place);
    let cookie = server.entered();
    assert_eq!(server.scheme, "http");
    let session = server.ask(&format!("GET /api/v1/session\nCookie: {cookie}\r\n"));
    assert!(session.contains("\"name\":\"local\""), "{session}");
    let (code, out, err) = server.end();
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("not a medical device"), "{out}");
    assert!(err.contains("for another browser: http://127.0.0.1:"), "the next link was printed: {err}");

    let began = Instant::now();
    let again = Server::start(&place);
    let session = again.ask("GET /api/v1/session");
    assert!(session.starts_with("HTTP/1.1 200"), "{session}");
    assert!(began.elapsed() < Duration::from_secs(3), "the second start took {:?}", began.elapsed());
    assert_eq!(again.end().0, 0);
}

#[test]
fn only_its_owner_reads_the_folder_of_a_server() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = folder();
    let place = root.path().join("data");
    Server::start(&place).end();
    assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_port_in_use_is_named() {
    let root = folder();
    let server = Server::start(&root.path().join("first"));
    let second = root.path().join("second");
    let error = fail(glioscope(["serve", "--data", text(&second), "--listen", &server.at]));
    assert!(error.contains(&format!("{} is in use", server.at)) && error.contains("--listen"), "{error}");
    assert!(!second.exists(), "nothing was made");
    server.end();
}

#[test]
fn settings_that_would_be_unsafe_are_refused() {
    let root = folder();
    let place = text(root.path());
    let error = fail(glioscope(["serve", "--data", place, "--listen", "0.0.0.0:0"]));
    assert!(error.contains("needs TLS") && error.contains("--proxy"), "{error}");
    let error = fail(glioscope(["serve", "--data", place, "--tls-cert", "/none.pem", "--tls-key", "/none.pem"]));
    assert!(error.contains("/none.pem: there is no such file"), "{error}");
    let error = fail(glioscope(["serve", "--data", place, "--config", "/none.toml"]));
    assert!(error.contains("/none.toml: there is no such configuration file"), "{error}");
    let error = fail(glioscope(["serve", "--data", place, "--host", "https://a.example/"]));
    assert!(error.contains("is no host name"), "{error}");
}

#[test]
fn the_log_is_json_and_names_nobody() {
    let root = folder();
    let place = root.path().join("data");
    let mut command = glioscope(["serve", "--data", text(&place), "--listen", "127.0.0.1:0", "--no-demo"]);
    command.env("GLIOSCOPE_LOG__FORM", "json");
    let server = Server::of(command);
    let cookie = server.entered();
    let opened = server.change("POST /api/v1/uploads", &cookie, "application/json", "{}");
    let upload = opened.rsplit("\"id\":\"").next().unwrap().split('"').next().unwrap().to_owned();
    let path = format!("PUT /api/v1/uploads/{upload}/files/Hong_Gildong_t1.nii");
    let refused = server.change(&path, &cookie, "application/octet-stream", "Hong Gildong, born 1961");
    assert!(refused.starts_with("HTTP/1.1 200") && refused.contains("not_nifti"), "{refused}");
    let named = server.change("PATCH /api/v1/patients/Hong", &cookie, "application/json", "{\"name\":\"Hong\"}");
    assert!(named.starts_with("HTTP/1.1 400"), "{named}");
    let searched = server.ask(&format!("GET /api/v1/studies?search=Hong\nCookie: {cookie}\r\n"));
    assert!(searched.starts_with("HTTP/1.1 200"), "{searched}");
    server.ask("GET /patients/Hong/Gildong");
    let (code, _, err) = server.end();
    assert_eq!(code, 0, "{err}");
    assert!(!err.contains("Hong") && !err.contains("Gildong") && !err.contains("1961"), "{err}");
    let lines: Vec<serde_json::Value> =
        err.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_put = |line: &&serde_json::Value| line["method"] == "PUT";
    let put = lines.iter().find(is_put).unwrap_or_else(|| panic!("{err}"));
    assert_eq!((&put["route"], &put["status"]), (&"/api/v1/uploads/{id}/files/{file}".into(), &200.into()), "{put}");
    assert!(put["id"].is_string() && put["ms"].is_string() && put["timestamp"].is_string(), "{put}");
}

/// A certificate for this computer, and its key, as an administrator would make them; nothing without OpenSSL.
fn certificate(folder: &Path) -> Option<(String, String)> {
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| text(&folder.join(name)).to_owned());
    let mut openssl = Command::new("openssl");
    openssl
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-keyout", &key, "-out", &certificate])
        .stderr(Stdio::null());
    openssl.status().is_ok_and(|status| status.success()).then_some((certificate, key))
}

#[test]
fn certificate_and_key_make_the_page_one_of_tls() {
    let root = folder();
    let Some((certificate, key)) = certificate(root.path()) else {
        eprintln!(
            "SKIPPED: certificate_and_key_make_the_page_one_of_tls: there is no openssl to make a certificate with"
        );
        return;
    };
    let place = root.path().join("data");
    let server = Server::of(glioscope([
        "serve",
        "--data",
        text(&place),
        "--listen",
        "127.0.0.1:0",
        "--no-demo",
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
    ]));
    assert_eq!(server.scheme, "https");
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &server.at, "-servername", "localhost", "-verify_hostname", "localhost"]);
    client.args(["-CAfile", &certificate, "-verify_return_error", "-quiet"]);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let request = format!("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.path, server.at);
    client.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    let (_, answer, err) = wait(client);
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}{err}");
    let header =
        |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{answer}"));
    let cookie = header("set-cookie: ");
    assert!(cookie.starts_with("__Host-glioscope=") && cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(header("strict-transport-security: "), "max-age=31536000");
    let mut clear = TcpStream::connect(&server.at).unwrap();
    clear.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    clear.write_all(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", server.at).as_bytes()).unwrap();
    let mut said = Vec::new();
    clear.read_to_end(&mut said).ok();
    assert!(!said.starts_with(b"HTTP/"), "nothing in the clear: {}", String::from_utf8_lossy(&said));
    assert_eq!(server.end().0, 0);
}

#[test]
fn settings_are_printed_without_secrets() {
    let root = folder();
    let file = root.path().join("glioscope.toml");
    std::fs::write(&file, "database = \"postgres://kim:geheim@db.example/g\"\n[worker]\ncount = 3\n").unwrap();
    let mut command = glioscope(["serve", "--config", text(&file), "--data", "/srv/g", "--proxy", "--print-config"]);
    command.env("GLIOSCOPE_SESSION_DAYS", "7");
    let shown = succeed(command);
    for line in
        ["proxy = true", "data = \"/srv/g\"", "session_days = 7", "count = 3", "postgres://kim:***@db.example/g"]
    {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert!(!shown.contains("geheim"), "{shown}");
}

#[test]
fn accounts_are_made_where_the_server_runs() {
    let root = folder();
    let place = text(root.path());
    let server = Server::start(root.path());
    let error = fail(glioscope(["user", "add", "lee", "--role", "viewer", "--data", place]));
    assert!(error.contains("first account must be an administrator"), "{error}");
    let made = succeed(glioscope(["user", "add", "kim", "--role", "admin", "--data", place]));
    let password = made.trim().strip_prefix("password: ").unwrap();
    assert_eq!(password.len(), 19, "{password}");
    let session = server.ask("GET /api/v1/session");
    assert!(session.contains("\"login_required\":true"), "{session}");

    let login = format!("{{\"name\":\"kim\",\"password\":\"{password}\"}}");
    let request = format!(
        "POST /api/v1/session\nOrigin: http://{}\r\nX-Glioscope: 1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{login}",
        server.at,
        login.len()
    );
    let entered = server.ask(&request);
    assert!(entered.starts_with("HTTP/1.1 200") && entered.contains("\"role\":\"admin\""), "{entered}");
    server.end();

    let error = fail(glioscope(["user", "change", "kim", "--close", "--data", place]));
    assert!(error.contains("only administrator"), "{error}");
    let error = fail(glioscope(["user", "change", "nobody", "--close", "--data", place]));
    assert!(error.contains("no account \"nobody\""), "{error}");
    let listed = succeed(glioscope(["user", "list", "--data", place, "--json"]));
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["role"]), (&"kim".into(), &"admin".into()), "{listed}");
}

#[test]
fn only_serve_and_migrate_bring_a_database_up() {
    use sea_orm::ConnectionTrait as _;
    use server::db::{Db, Location};

    let root = folder();
    let place = root.path();
    let none = fail(glioscope(["user", "list", "--data", text(&place.join("none"))]));
    assert!(none.contains("no store here") && !place.join("none").exists(), "nothing was made: {none}");
    succeed(glioscope(["migrate", "--data", text(place)]));
    let tokio = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // As a version left it that had one step less: what this step adds is there already, and is asked for first.
    tokio().block_on(async {
        let db = Db::connect(&Location::of(None, place)).await.unwrap();
        db.execute_unprepared("DELETE FROM seaql_migrations WHERE version LIKE 'm0005%'").await.unwrap();
        db.close().await.unwrap();
    });
    for command in [
        glioscope(["user", "list", "--data", text(place)]),
        glioscope(["user", "add", "kim", "--role", "admin", "--data", text(place)]),
    ] {
        let older = fail(command);
        assert!(older.contains("older than this version") && older.contains("glioscope migrate"), "{older}");
    }
    let pending =
        tokio().block_on(async { Db::connect(&Location::of(None, place)).await.unwrap().pending().await.unwrap() });
    assert_eq!(pending, 1, "nothing was changed");
    assert!(succeed(glioscope(["migrate", "--data", text(place)])).contains("by 1 step"), "it says so");
    succeed(glioscope(["user", "list", "--data", text(place), "--json"]));
}

#[test]
fn shells_are_told_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = succeed(glioscope(["completions", shell]));
        assert!(script.contains("glioscope") && script.contains("serve"), "{shell}");
    }
}
