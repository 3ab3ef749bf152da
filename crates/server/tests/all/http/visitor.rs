//! A server in a folder of its own, and those who visit it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use serde_json::{Value, json};
use server::app::App;
use server::config::Config;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// The name by which visitors call the server.
pub(crate) const NAME: &str = "127.0.0.1:8040";

/// A password that is long enough.
pub(crate) const PASSWORD: &str = "three short words";

/// A server with nothing in it.
pub(crate) struct Site {
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) folder: TempDir,
}

impl Site {
    /// As it is where nothing is set.
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::plain(folder.path().join("data"));
        change(&mut config);
        let app = App::open(config).await.unwrap();
        Self { router: server::app(app.clone()), app, folder }
    }

    /// Somebody whom the server does not know.
    pub(crate) fn stranger(&self) -> Visitor {
        Visitor { router: self.router.clone(), cookie: Arc::default() }
    }

    /// Whoever opened the link that was printed.
    pub(crate) async fn owner(&self) -> Visitor {
        let owner = self.stranger();
        let answer = owner.get(&self.link()).send().await;
        assert_eq!((answer.status, answer.header("location")), (StatusCode::SEE_OTHER, "/"), "{answer:?}");
        owner
    }

    /// The address that is printed now.
    pub(crate) fn link(&self) -> String {
        format!("/enter?token={}", *self.app.accounts.entry.watch().borrow())
    }

    /// An administrator called kim, on a server that has just got its first account.
    pub(crate) async fn admin(&self) -> Visitor {
        let kim = json!({"name": "kim", "password": PASSWORD, "role": "admin"});
        let made = self.owner().await.post("/api/v1/users", kim).send().await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        self.log_in("kim").await
    }

    /// The holder of an account with the usual password.
    pub(crate) async fn log_in(&self, name: &str) -> Visitor {
        let visitor = self.stranger();
        let answer = visitor.post("/api/v1/session", json!({"name": name, "password": PASSWORD})).send().await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        visitor
    }

    /// Another account, and its holder.
    pub(crate) async fn user(&self, admin: &Visitor, name: &str, role: &str) -> Visitor {
        let new = json!({"name": name, "password": PASSWORD, "role": role});
        let made = admin.post("/api/v1/users", new).send().await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        self.log_in(name).await
    }
}

/// A browser: it keeps the cookie that it was given.
pub(crate) struct Visitor {
    router: Router,
    cookie: Arc<Mutex<Option<String>>>,
}

impl Visitor {
    /// `GET path`.
    pub(crate) fn get(&self, path: &str) -> Ask {
        self.ask(Method::GET, path)
    }

    /// `POST path` with JSON, as the page does it.
    pub(crate) fn post(&self, path: &str, json: Value) -> Ask {
        self.change(Method::POST, path).json(json)
    }

    /// A change, as the page does it.
    pub(crate) fn change(&self, method: Method, path: &str) -> Ask {
        self.ask(method, path).header("origin", &format!("http://{NAME}")).header("x-glioscope", "1")
    }

    /// A request with nothing but a name and a cookie.
    pub(crate) fn ask(&self, method: Method, path: &str) -> Ask {
        let mut request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        request.headers_mut().insert(HOST, NAME.parse().unwrap());
        Ask { request, router: self.router.clone(), cookie: Arc::clone(&self.cookie) }
    }

    /// The cookie, as it is sent.
    pub(crate) fn cookie(&self) -> Option<String> {
        self.cookie.lock().unwrap().clone()
    }

    /// Takes a cookie from elsewhere.
    pub(crate) fn take_cookie(&self, cookie: &str) {
        *self.cookie.lock().unwrap() = Some(cookie.to_owned());
    }
}

/// A request in the making.
pub(crate) struct Ask {
    request: Request<Body>,
    router: Router,
    cookie: Arc<Mutex<Option<String>>>,
}

impl Ask {
    /// With another header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    /// Without a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.request.headers_mut().remove(name);
        self
    }

    /// With an API token, as a program sends it: no cookie, no origin.
    pub(crate) fn token(mut self, secret: &str) -> Self {
        self.cookie = Arc::default();
        self.request.headers_mut().remove(ORIGIN);
        self.without("x-glioscope").header("authorization", &format!("Bearer {secret}"))
    }

    /// With JSON.
    #[expect(clippy::needless_pass_by_value, reason = "tests write it in place")]
    pub(crate) fn json(self, json: Value) -> Self {
        self.body(json.to_string()).header("content-type", "application/json")
    }

    /// With a body.
    pub(crate) fn body(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// The answer as it begins; its body is still to come.
    pub(crate) async fn begin(mut self) -> Response {
        let cookie = self.cookie.lock().unwrap().clone();
        if let Some(cookie) = cookie {
            self.request.headers_mut().insert(COOKIE, cookie.parse().unwrap());
        }
        let response = self.router.oneshot(self.request).await.unwrap();
        if let Some(set) = response.headers().get(SET_COOKIE) {
            let set = set.to_str().unwrap().split(';').next().unwrap().to_owned();
            *self.cookie.lock().unwrap() = (!set.ends_with('=')).then_some(set);
        }
        response
    }

    /// The answer.
    pub(crate) async fn send(self) -> Answer {
        let (parts, body) = self.begin().await.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body: body.to_vec() }
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.status, String::from_utf8_lossy(&self.body))?;
        self.headers.get(LOCATION).map_or(Ok(()), |location| write!(f, " -> {location:?}"))
    }
}

impl Answer {
    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body of a good answer.
    pub(crate) fn json(&self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The status and code of a problem, whose form is that of all problems.
    pub(crate) fn problem(&self) -> (u16, String) {
        assert_eq!(self.header(CONTENT_TYPE.as_str()), "application/problem+json", "{self:?}");
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(body["status"], self.status.as_u16(), "{self:?}");
        assert!(body["title"].is_string() && body["detail"].is_string(), "{self:?}");
        let id = self.header("x-request-id");
        assert_eq!(body["instance"], format!("urn:uuid:{id}"), "{self:?}");
        (self.status.as_u16(), body["code"].as_str().unwrap().to_owned())
    }
}

/// Asserts a problem.
#[track_caller]
pub(crate) fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.problem(), (status, code.to_owned()), "{answer:?}");
}
