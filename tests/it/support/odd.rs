//! Answers that no homeserver should give.

use std::{
    io,
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// What is answered, after which the connection ends.
#[derive(Debug, Clone)]
pub enum Odd {
    /// The connection is reset.
    Reset,
    /// The first half of the real answer, or of this body, under a head that promises all of it.
    Cut(&'static str),
    /// A byte of this body now and then.
    Dripping(&'static str, Duration),
    /// These bytes, which need not be HTTP; also in place of a real answer.
    Bytes(Vec<u8>),
    /// A body of so many spaces.
    Huge(u64),
    /// A body of so many zeros, packed by gzip to a thousandth.
    Bomb(u64),
}

/// A connection that can end rudely.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// What carries it.
    fn tcp(&self) -> &TcpStream;

    /// Where it was accepted.
    fn local_address(&self) -> io::Result<SocketAddr> {
        self.tcp().local_addr()
    }
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

impl Odd {
    /// Sends it. `real` is what the homeserver answered, if it was asked.
    pub async fn send(&self, stream: &mut BufStream<impl Socket>, real: Option<Vec<u8>>) -> io::Result<()> {
        match self {
            Self::Reset => stream.get_ref().tcp().set_zero_linger(),
            Self::Cut(body) => {
                let whole = real.unwrap_or_else(|| [head(body.len() as u64, ""), body.as_bytes().to_vec()].concat());
                let body = whole.windows(4).position(|it| it == b"\r\n\r\n").map_or(0, |at| at + 4);
                let half = body + (whole.len() - body) / 2;
                stream.write_all(&whole[..half]).await?;
                stream.shutdown().await
            }
            Self::Dripping(body, pause) => {
                stream.write_all(&head(body.len() as u64, "")).await?;
                for byte in body.bytes() {
                    stream.write_all(&[byte]).await?;
                    stream.flush().await?;
                    tokio::time::sleep(*pause).await;
                }
                stream.shutdown().await
            }
            Self::Bytes(bytes) => {
                stream.write_all(bytes).await?;
                stream.shutdown().await
            }
            Self::Huge(length) => {
                stream.write_all(&head(*length, "")).await?;
                let block = vec![b' '; 1 << 16];
                for _ in 0..length / (1 << 16) {
                    stream.write_all(&block).await?;
                }
                stream.shutdown().await
            }
            Self::Bomb(length) => {
                let packed = bomb(*length);
                stream.write_all(&head(packed.len() as u64, "Content-Encoding: gzip\r\n")).await?;
                stream.write_all(&packed).await?;
                stream.shutdown().await
            }
        }
    }
}

fn head(length: u64, more: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{more}\r\n").into_bytes()
}

/// So many zeros, packed.
fn bomb(length: u64) -> Vec<u8> {
    let script = format!("head -c {length} /dev/zero | gzip -1 -n");
    let packed = Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).output();
    packed.expect("gzip is a part of every system").stdout
}
