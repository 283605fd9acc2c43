//! A client that is one of the workloads: its connections come from that workload's address.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

const DEADLINE: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Response {
        status: u16,
        body: String,
    },
    /// Not a byte.
    Nothing,
}

/// `GET path`, from one address to another.
pub(super) async fn get(from: IpAddr, to: SocketAddr, path: &str) -> anyhow::Result<Answer> {
    let bytes = tokio::time::timeout(DEADLINE, exchange(from, to, path))
        .await
        .with_context(|| format!("no answer from {to} within {} s", DEADLINE.as_secs()))??;
    read(&bytes)
}

/// What these bytes say.
pub(super) fn read(bytes: &[u8]) -> anyhow::Result<Answer> {
    if bytes.is_empty() {
        return Ok(Answer::Nothing);
    }
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { bail!("no HTTP answer, but {text:?}") };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("no status in {head:?}"))?;
    Ok(Answer::Response { status, body: body.trim_end().to_owned() })
}

async fn exchange(from: IpAddr, to: SocketAddr, path: &str) -> anyhow::Result<Vec<u8>> {
    let socket = if from.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind((from, 0).into()).with_context(|| format!("cannot connect from {from}"))?;
    let mut stream = socket.connect(to).await.with_context(|| format!("cannot connect to {to}"))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: app1-service\r\nconnection: close\r\n\r\n");
    let mut bytes = Vec::new();
    // A peer that closes before it has read resets what is still under way: that is an answer too.
    let result = match stream.write_all(request.as_bytes()).await {
        Ok(()) => stream.read_to_end(&mut bytes).await.map(drop),
        Err(error) => Err(error),
    };
    match result {
        Err(error) if !matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
            Err(error.into())
        }
        _ => Ok(bytes),
    }
}
