//! Just enough of HTTP/1.1 over TLS.

use std::{collections::BTreeMap, fmt::Write as _, future::Future, io, path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// GET or POST.
    pub method: String,
    /// The path with its query.
    pub target: String,
    /// The headers, their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status; 0 closes the connection.
    pub status: u16,
    /// Headers besides type and length.
    pub headers: Vec<(String, String)>,
    /// The body, usually JSON.
    pub body: String,
}

impl Answer {
    /// An answer of JSON.
    pub fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }

    /// The same with a header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

pub(super) fn bind() -> (std::net::TcpListener, u16) {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a loopback port is free");
    listener.set_nonblocking(true).expect("a listener can be non-blocking");
    let port = listener.local_addr().expect("it is bound").port();
    (listener, port)
}

pub(super) async fn accept<F>(
    listener: std::net::TcpListener,
    acceptor: TlsAcceptor,
    answer: impl Fn(Request) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Answer> + Send,
{
    let listener = TcpListener::from_std(listener).expect("a runtime is there");
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        tokio::spawn(async move {
            let mut stream = BufStream::new(acceptor.accept(stream).await?);
            while let Some(request) = read(&mut stream).await? {
                let answer = answer(request).await;
                if answer.status == 0 {
                    break;
                }
                let mut head = format!(
                    "HTTP/1.1 {} Status\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
                    answer.status,
                    answer.body.len()
                );
                for (name, value) in &answer.headers {
                    let _ = write!(head, "{name}: {value}\r\n");
                }
                stream.write_all((head + "\r\n").as_bytes()).await?;
                stream.write_all(answer.body.as_bytes()).await?;
                stream.flush().await?;
            }
            io::Result::Ok(())
        });
    }
}

async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut head).await? == 0 {
            return Ok(None);
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    Ok(Some(Request { method, target, headers, body }))
}

pub(super) fn acceptor(folder: &Path) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(folder.join("server.pem")).expect("a certificate was written");
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).expect("a key was written");
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the protocols")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key belongs to the certificate");
    TlsAcceptor::from(Arc::new(config))
}
