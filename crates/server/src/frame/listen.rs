//! From an address to answers, and to a quiet end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use futures_util::future::BoxFuture;

use crate::app::App;
use crate::config::{Config, Tls};

/// How long answers in the making may take when the server is asked to end.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// How long a client may take for the head of a request; its body has its own limit.
const HEAD: Duration = Duration::from_secs(20);

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program has the port.
    #[error("{0} is in use, perhaps by another Glioscope: end that one, or choose another port with --listen")]
    InUse(SocketAddr),
    /// The address is not this machine's, or needs rights.
    #[error("{0} cannot be listened on: {1}")]
    Refused(SocketAddr, io::Error),
    /// Certificate and key do not go together, or are none.
    #[error("certificate and key cannot be used: {0}")]
    Tls(io::Error),
    /// The connections ended otherwise than asked.
    #[error("the server ended: {0}")]
    Ended(io::Error),
}

/// An open port.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    /// Where it is; a port 0 was replaced by a free one.
    pub address: SocketAddr,
}

impl Port {
    /// Opens the port of the settings, which then say which one it is.
    ///
    /// # Errors
    /// [`ListenError::InUse`], [`ListenError::Refused`].
    pub fn open(config: &mut Config) -> Result<Self, ListenError> {
        let asked = config.listen;
        let failed = |error: io::Error| {
            let in_use = error.kind() == io::ErrorKind::AddrInUse;
            if in_use { ListenError::InUse(asked) } else { ListenError::Refused(asked, error) }
        };
        let listener = TcpListener::bind(asked).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        config.listen = address;
        Ok(Self { listener, address })
    }
}

/// Answers until `app.closing` is cancelled and the last answers are out.
///
/// # Errors
/// [`ListenError::Tls`], [`ListenError::Ended`].
pub fn serve(app: &App, router: Router, port: Port) -> BoxFuture<'_, Result<(), ListenError>> {
    Box::pin(async move {
        let handle = Handle::new();
        let (ending, closing) = (handle.clone(), app.closing.clone());
        tokio::spawn(async move {
            closing.cancelled().await;
            ending.graceful_shutdown(Some(LAST_ANSWERS));
        });
        let made = router.into_make_service_with_connect_info::<SocketAddr>();
        match &app.config.tls {
            None => {
                let mut server = axum_server::from_tcp(port.listener).map_err(ListenError::Ended)?.handle(handle);
                server.http_builder().http1().header_read_timeout(HEAD);
                server.serve(made).await.map_err(ListenError::Ended)
            }
            Some(tls) => {
                let tls = certificate(tls).await?;
                let mut server =
                    axum_server::from_tcp_rustls(port.listener, tls).map_err(ListenError::Ended)?.handle(handle);
                server.http_builder().http1().header_read_timeout(HEAD);
                server.serve(made).await.map_err(ListenError::Ended)
            }
        }
    })
}

async fn certificate(tls: &Tls) -> Result<RustlsConfig, ListenError> {
    // Two providers may be linked in; rustls wants to be told, and refuses to be told twice.
    rustls::crypto::ring::default_provider().install_default().ok();
    RustlsConfig::from_pem_file(&tls.certificate, &tls.key).await.map_err(ListenError::Tls)
}
