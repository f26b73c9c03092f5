//! From a configuration to a connection that is secured and bound.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, StdStream};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use url::{Host, Url};

use super::error::{Answer, LdapFailure, Problem, Step};
use super::tls;
use crate::config::LdapIdp;
use crate::printable::line;

/// A bound connection.
pub(super) struct Session {
    pub(super) ldap: Ldap,
    pub(super) anonymous: bool,
    pub(super) operation_timeout: Duration,
    /// Whether the server knows pages.
    pub(super) pages: bool,
    driver: Mutex<Option<JoinHandle<Result<(), LdapError>>>>,
}

impl Session {
    /// Connects, secures and binds.
    pub(super) async fn open(idp: &LdapIdp, url: &Url) -> Result<Self, LdapFailure> {
        let session = Self::connect(idp, url).await?;
        let mut ldap = session.ldap.clone();
        let (step, answer) = match (&idp.bind, &idp.client_certificate) {
            // The library panics on answers that are malformed.
            (Some((dn, password)), _) => {
                let bind = AssertUnwindSafe(ldap.simple_bind(dn, password.expose())).catch_unwind();
                (Step::Bind(dn.clone()), timeout(idp.operation_timeout, bind).await)
            }
            (None, Some(_)) => {
                let bind = AssertUnwindSafe(ldap.sasl_external_bind()).catch_unwind();
                (Step::External, timeout(idp.operation_timeout, bind).await)
            }
            (None, None) if idp.gssapi => {
                let host = Target::of(url).host;
                let answer = timeout(idp.operation_timeout, session.gssapi(&host)).await;
                (Step::Gssapi(host), answer)
            }
            (None, None) => return Ok(session),
        };
        let problem = match answer {
            Ok(Ok(Ok(answer))) if answer.rc == 0 => {
                tracing::debug!(%step, "bound");
                return Ok(session);
            }
            Ok(Ok(Ok(answer))) => Problem::Answer(Answer::at(&step, false, answer.rc, answer.text)),
            Ok(Ok(Err(error))) => session.problem(error).await,
            Ok(Err(_)) => Problem::Malformed("an answer that is no LDAP result".into()),
            Err(_) => Problem::OperationTimeout { after: idp.operation_timeout, entries: None },
        };
        Err(LdapFailure { step, problem })
    }

    /// Binds as the principal of a Kerberos ticket.
    #[cfg(feature = "gssapi")]
    async fn gssapi(&self, host: &str) -> std::thread::Result<Result<LdapResult, LdapError>> {
        AssertUnwindSafe(self.ldap.clone().sasl_gssapi_bind(host)).catch_unwind().await
    }

    /// The configuration is not accepted where this is all there is.
    #[cfg(not(feature = "gssapi"))]
    async fn gssapi(&self, _: &str) -> std::thread::Result<Result<LdapResult, LdapError>> {
        std::future::ready(Ok(Err(LdapError::EndOfStream))).await
    }

    async fn connect(idp: &LdapIdp, url: &Url) -> Result<Self, LdapFailure> {
        let deadline = Instant::now() + idp.connect_timeout;
        let connecting = |problem| LdapFailure { step: Step::Connect(url.clone()), problem };
        let encrypted = idp.starttls || url.scheme() == "ldaps";
        let target = Target::of(url);
        let mut settings = LdapConnSettings::new();
        if encrypted {
            let config = tls::config(idp, target.address).map_err(connecting)?;
            settings = settings.set_starttls(idp.starttls).set_config(Arc::new(config));
        }
        let stream = target.reach(deadline, idp.connect_timeout).await.map_err(connecting)?;
        let settings = settings.set_std_stream(StdStream::Tcp(stream));

        let secured = AssertUnwindSafe(LdapConnAsync::from_url_with_settings(settings, &target.url)).catch_unwind();
        let step = if idp.starttls { Step::StartTls(url.clone()) } else { Step::Connect(url.clone()) };
        let problem = match timeout_at(deadline, secured).await {
            Ok(Ok(Ok((connection, ldap)))) => {
                tracing::debug!(%url, "connected");
                return Ok(Self {
                    ldap,
                    anonymous: idp.bind.is_none() && idp.client_certificate.is_none() && !idp.gssapi,
                    operation_timeout: idp.operation_timeout,
                    pages: true,
                    driver: Mutex::new(Some(tokio::spawn(connection.drive()))),
                });
            }
            Ok(Ok(Err(LdapError::LdapResult { result }))) => {
                Problem::Answer(Answer::at(&step, idp.bind.is_none(), result.rc, result.text))
            }
            Ok(Ok(Err(LdapError::Io { source }))) if encrypted => tls::problem(&source, &target.host, idp, url),
            Ok(Ok(Err(error))) => Problem::Lost(error.to_string()),
            Ok(Err(_)) => Problem::Malformed("an answer that is no LDAP result".into()),
            Err(_) => {
                let phase = if idp.starttls { "asking for StartTLS" } else { "negotiating TLS" };
                Problem::ConnectTimeout { after: idp.connect_timeout, phase }
            }
        };
        Err(LdapFailure { step, problem })
    }

    /// What an error of the library comes from. When the connection ends, the task that drives it knows why.
    pub(super) async fn problem(&self, error: LdapError) -> Problem {
        let driver = match error {
            LdapError::FilterParsing => return Problem::Filter,
            LdapError::Io { source } => return Problem::Lost(line(&source.to_string())),
            #[cfg(feature = "gssapi")]
            LdapError::GssapiOperationError(why) => return Problem::Kerberos(line(&why)),
            _ => self.driver.lock().unwrap_or_else(PoisonError::into_inner).take(),
        };
        let Some(driver) = driver else { return Problem::Lost("it ended".into()) };
        match timeout(Duration::from_secs(1), driver).await {
            Ok(Ok(Ok(()))) => Problem::Lost("the server closed it".into()),
            Ok(Ok(Err(LdapError::Io { source }))) if source.to_string() == "decoding error" => {
                Problem::Malformed("an answer that is no LDAP message".into())
            }
            Ok(Ok(Err(LdapError::Io { source }))) if source.to_string() == "bytes remaining on stream" => {
                Problem::Lost("the server closed it in the middle of an answer".into())
            }
            Ok(Ok(Err(LdapError::Io { source }))) => Problem::Lost(line(&source.to_string())),
            Ok(Ok(Err(error))) => Problem::Lost(line(&error.to_string())),
            // The library panics on messages that are malformed.
            Ok(Err(_)) => Problem::Malformed("an answer that is no LDAP message".into()),
            Err(_) => Problem::Lost(line(&error.to_string())),
        }
    }

    /// Says goodbye; that nobody answers does not matter.
    pub(super) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.ldap.unbind()).await;
    }
}

/// Where to connect to.
struct Target {
    /// As messages name it.
    host: String,
    /// The address, if the URL has no name but an IPv6 address.
    address: Option<IpAddr>,
    port: u16,
    /// What the library gets to see. It takes an IPv6 address in brackets for a name.
    url: Url,
}

impl Target {
    fn of(url: &Url) -> Self {
        let port = url.port().unwrap_or(if url.scheme() == "ldaps" { 636 } else { 389 });
        let (host, address) = match url.host() {
            Some(Host::Ipv6(address)) => (address.to_string(), Some(IpAddr::V6(address))),
            Some(host) => (host.to_string(), None),
            None => (String::new(), None),
        };
        let mut seen = url.clone();
        if address.is_some() {
            // The name is never looked up or compared: the connection is made here, the verifier knows the address.
            let _ = seen.set_host(Some("address.invalid"));
        }
        Self { host, address, port, url: seen }
    }

    /// Connects to the first address that answers.
    async fn reach(&self, deadline: Instant, patience: Duration) -> Result<std::net::TcpStream, Problem> {
        let late = |phase| Problem::ConnectTimeout { after: patience, phase };
        let addresses: Vec<SocketAddr> = timeout_at(deadline, lookup_host((self.host.as_str(), self.port)))
            .await
            .map_err(|_| late("resolving the host name"))?
            .map_err(|error| Problem::Dns { host: line(&self.host), cause: error.to_string() })?
            .collect();
        let mut failure = Problem::Dns { host: line(&self.host), cause: "it has no address".into() };
        let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        for address in addresses {
            // One address that swallows everything may not use up the time of the others.
            let now = Instant::now();
            let share = now + deadline.saturating_duration_since(now) / left.max(1);
            left = left.saturating_sub(1);
            failure = match timeout_at(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Many small requests go out side by side; none is to wait for the answer of another.
                    let _ = stream.set_nodelay(true);
                    return stream.into_std().map_err(|error| Problem::Unreachable(error.to_string()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Problem::Refused,
                Ok(Err(error)) => Problem::Unreachable(error.to_string()),
                Err(_) => late("connecting"),
            };
        }
        Err(failure)
    }
}
