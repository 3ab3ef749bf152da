//! The only place where an error becomes HTTP: problem+json (RFC 9457) with stable codes.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use sea_orm::{DbErr, SqlErr};
use serde::Serialize;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::files::FilesError;

/// The content type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Declares [`Code`]: a name that never changes, a status, a title.
macro_rules! codes {
    ($($name:ident $code:literal $status:ident $title:literal;)*) => {
        /// What went wrong, by a name that clients may rely on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $title] $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)* }
            }

            /// A short sentence that is the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    // The frame.
    BadRequest "bad_request" BAD_REQUEST "The request cannot be understood.";
    Invalid "invalid" UNPROCESSABLE_ENTITY "A value is not allowed.";
    NotFound "not_found" NOT_FOUND "There is nothing here.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "This address does not do that.";
    NotAcceptable "not_acceptable" NOT_ACCEPTABLE "This form of the answer does not exist.";
    Conflict "conflict" CONFLICT "It contradicts what is there.";
    Gone "gone" GONE "It was there and is no more.";
    Changed "changed" PRECONDITION_FAILED "It was changed by someone else meanwhile.";
    TooLarge "too_large" PAYLOAD_TOO_LARGE "It is too large.";
    RangeNotSatisfiable "range_not_satisfiable" RANGE_NOT_SATISFIABLE "The file has no such part.";
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "This content type is not read.";
    TooSlow "too_slow" REQUEST_TIMEOUT "The rest of the request did not come in time.";
    TooMany "too_many_requests" TOO_MANY_REQUESTS "Too many requests.";
    Internal "internal" INTERNAL_SERVER_ERROR "The server made a mistake.";
    Unavailable "unavailable" SERVICE_UNAVAILABLE "The server cannot do that now.";
    ForeignHost "foreign_host" MISDIRECTED_REQUEST "The server does not go by this name.";
    ForeignOrigin "foreign_origin" FORBIDDEN "The request comes from another site.";
    PageHeaderMissing "page_header_missing" FORBIDDEN "The header X-Glioscope is missing.";
    // Accounts.
    LoginNeeded "login_needed" UNAUTHORIZED "Please log in.";
    LoginWrong "login_wrong" UNAUTHORIZED "Name or password is wrong.";
    LoginThrottled "login_throttled" TOO_MANY_REQUESTS "Too many attempts to log in.";
    LinkUsed "link_used" UNAUTHORIZED "This link was used or has expired.";
    TokenInvalid "token_invalid" UNAUTHORIZED "The API token is unknown or has expired.";
    RoleTooLow "role_too_low" FORBIDDEN "Your role does not allow that.";
    ScopeTooNarrow "scope_too_narrow" FORBIDDEN "The API token may only read.";
    SessionNeeded "session_needed" FORBIDDEN "This is done on the page, not with an API token.";
    AccountNeeded "account_needed" CONFLICT "This needs an account.";
    NameTaken "name_taken" CONFLICT "An account has this name.";
    FirstIsAdmin "first_account_is_admin" CONFLICT "The first account must be an administrator.";
    LastAdmin "last_admin" CONFLICT "One administrator must remain.";
    PasswordWeak "password_weak" UNPROCESSABLE_ENTITY "The password is too short or too long.";
    PasswordWrong "password_wrong" FORBIDDEN "The present password is wrong.";
    // Files and studies.
    DiskFull "disk_full" INSUFFICIENT_STORAGE "The disk is full.";
    Interrupted "interrupted" BAD_REQUEST "The file did not arrive in full.";
    FileDamaged "file_damaged" INTERNAL_SERVER_ERROR "A stored file is missing or damaged.";
    FileRefused "file_refused" UNPROCESSABLE_ENTITY "The file cannot be used.";
    TooManyUploads "too_many_uploads" CONFLICT "Too many uploads are open.";
    UploadClosed "upload_closed" CONFLICT "The upload has become studies already.";
    UploadFull "upload_full" PAYLOAD_TOO_LARGE "Too much is waiting in unfinished uploads.";
    UploadNotReady "upload_not_ready" UNPROCESSABLE_ENTITY "The files cannot become a study as they are.";
    StudyMismatch "study_mismatch" UNPROCESSABLE_ENTITY "The files do not fit the study.";
    StudyIncomplete "study_incomplete" CONFLICT "The study lacks a sequence.";
    DraftOutdated "draft_outdated" CONFLICT "A newer version was saved from this draft.";
    DraftElsewhere "draft_elsewhere" CONFLICT "Another draft was kept meanwhile, in another tab or on another computer.";
    MaskUnusable "mask_unusable" UNPROCESSABLE_ENTITY "The mask does not fit the study.";
    ModelUnusable "model_unusable" UNPROCESSABLE_ENTITY "The file is no model of Glioscope.";
}

/// Each code is in the API's description, so that clients can have words for all of them, and notice a new one.
impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.iter().map(|code| code.as_str());
        let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        RefOr::T(Schema::Object(text.build()))
    }
}

impl ToSchema for Code {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ProblemCode")
    }
}

/// One fault among several, beside the file or field that has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Fault {
    /// Which file, by its name or id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Which field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// A stable name of what is wrong.
    pub code: String,
    /// A sentence for the person.
    pub detail: String,
}

/// An error as the client sees it; the cause is for the log alone.
#[derive(Clone, Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    errors: Vec<Fault>,
    retry_after: Option<u64>,
    cause: Option<Arc<str>>,
}

/// The body of every error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Always `about:blank`: the code says more than a link would.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The same sentence for every problem of this code.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// A stable name.
    #[schema(value_type = Code)]
    code: &'static str,
    /// What happened, and what to do.
    detail: String,
    /// The id of the request, as in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    /// Several faults, each with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
}

impl Problem {
    /// A problem with a sentence that says what happened and what to do.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after: None, cause: None }
    }

    /// A problem that needs no more words than its title.
    pub fn of(code: Code) -> Self {
        Self::new(code, code.title())
    }

    /// There is no such object.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("There is no such {what}."))
    }

    /// A mistake of the server: the client reads a safe sentence, the log the cause.
    pub fn internal(cause: impl ToString) -> Self {
        Self::of(Code::Internal).caused_by(cause)
    }

    /// A field that may not have its value.
    pub fn field(field: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let fault =
            Fault { file: None, field: Some(field.to_owned()), code: Code::Invalid.as_str().to_owned(), detail };
        Self::new(Code::Invalid, format!("{field}: {}", fault.detail)).with(vec![fault])
    }

    /// The same with faults, each beside its file or field.
    #[must_use]
    pub fn with(mut self, errors: Vec<Fault>) -> Self {
        self.errors = errors;
        self
    }

    /// The same with what the log should know.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "the cause ends here")]
    pub fn caused_by(mut self, cause: impl ToString) -> Self {
        self.cause = Some(cause.to_string().into());
        self
    }

    /// The same with the seconds after which it may go better.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// What it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What the client reads.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What the log should know.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The response; `instance` is the id of the request.
    pub fn answer(&self, instance: Option<&str>) -> Response {
        let body = ProblemBody {
            kind: "about:blank",
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code: self.code.as_str(),
            detail: self.detail.clone(),
            instance: instance.map(|id| format!("urn:uuid:{id}")),
            errors: self.errors.clone(),
        };
        let text = serde_json::to_vec(&body).unwrap_or_default(); // strings and numbers always are JSON
        let mut response = (self.code.status(), [(CONTENT_TYPE, PROBLEM_JSON)], text).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code.status() == StatusCode::UNAUTHORIZED {
            // RFC 9110 demands it; this scheme makes no browser ask for a password.
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)?;
        self.cause.as_deref().map_or(Ok(()), |cause| write!(f, " ({cause})"))
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.answer(None)
    }
}

impl From<DbErr> for Problem {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(text)) => violated(&text).caused_by(text),
            Some(SqlErr::ForeignKeyConstraintViolation(text)) => {
                Self::new(Code::Conflict, "Something that it belongs to is not there any more.").caused_by(text)
            }
            _ if busy(&error) => {
                Self::new(Code::Unavailable, "The database is busy; please try again.").retry_after(1).caused_by(error)
            }
            _ => Self::internal(error),
        }
    }
}

impl From<FilesError> for Problem {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::TooLarge { limit } => {
                Self::new(Code::TooLarge, format!("The file is larger than {} MiB, which is the limit.", limit >> 20))
            }
            FilesError::DiskFull => {
                Self::new(Code::DiskFull, "The disk of the server is full; please tell whoever runs it.")
            }
            FilesError::Interrupted { why } => {
                Self::new(Code::Interrupted, "The file did not arrive in full; please send it again.").caused_by(why)
            }
            FilesError::Missing { .. } | FilesError::Damaged { .. } => Self::new(
                Code::FileDamaged,
                "A stored file is missing or damaged; whoever runs the server can see which with `glioscope check`.",
            )
            .caused_by(error),
            FilesError::Io(source) => source.into(),
            FilesError::Db(source) => source.into(),
        }
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error)
    }
}

impl From<tokio::task::JoinError> for Problem {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::internal(error)
    }
}

/// The sentence of a violated unique constraint. SQLite names table and column, the others the index.
fn violated(text: &str) -> Problem {
    let names: [(&[&str], Code, &str); 2] = [
        (&["user.name", "user_by_name"], Code::NameTaken, "An account has this name; please choose another."),
        (&["series.study_id", "series_by_study_id"], Code::Conflict, "The study has this sequence already."),
    ];
    names
        .iter()
        .find(|(keys, ..)| keys.iter().any(|key| text.contains(key)))
        .map_or_else(|| Problem::of(Code::Conflict), |(_, code, detail)| Problem::new(*code, *detail))
}

fn busy(error: &DbErr) -> bool {
    let text = error.to_string().to_lowercase(); // MySQL writes it large
    matches!(error, DbErr::ConnectionAcquire(_)) || text.contains("database is locked") || text.contains("deadlock")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_snake_case_and_unique() {
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), codes.len(), "a code stands twice");
        for code in codes {
            assert!(code.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{code}");
        }
    }

    #[test]
    fn who_only_met_another_is_asked_to_try_again() {
        let busy = ["database is locked", "Deadlock found when trying to get lock", "deadlock detected"];
        for text in busy {
            assert_eq!(Problem::from(DbErr::Custom(text.to_owned())).code(), Code::Unavailable, "{text}");
        }
        assert_eq!(Problem::from(DbErr::Custom("no such table".to_owned())).code(), Code::Internal);
    }

    #[test]
    fn the_cause_stays_in_the_log() {
        let problem = Problem::internal("password of the database");
        assert_eq!(problem.detail(), "The server made a mistake.");
        assert_eq!(problem.cause(), Some("password of the database"));
    }
}
