//! What the demo's own processes do inside a namespace.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::demo::app;
use crate::output::{Outcome, print};

/// How long a client waits for anything; packets that are dropped say nothing.
const PATIENCE: Duration = Duration::from_secs(3);

/// Not for people.
#[derive(Debug, clap::Args)]
pub(in crate::demo) struct InsideArgs {
    /// Serve the demo's app on these ports of all addresses
    #[arg(long, hide = true, value_name = "PORT", num_args = 1..)]
    inside_serve: Vec<u16>,
    /// Ask this address, and print what comes back as it is
    #[arg(long, hide = true, value_name = "ADDRESS:PORT", requires = "inside_path")]
    inside_get: Option<SocketAddr>,
    /// For this path
    #[arg(long, hide = true, value_name = "PATH")]
    inside_path: Option<String>,
}

impl InsideArgs {
    /// Does it, if it is one of those processes.
    pub(in crate::demo) fn run(&self) -> anyhow::Result<Option<Outcome>> {
        if let (Some(address), Some(path)) = (self.inside_get, &self.inside_path) {
            print(&String::from_utf8_lossy(&get(address, path)?))?;
            return Ok(Some(Outcome::Ok));
        }
        if self.inside_serve.is_empty() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            for port in &self.inside_serve {
                app::serve_on((Ipv4Addr::UNSPECIFIED, *port).into()).await?;
            }
            std::future::pending::<()>().await;
            Ok(Some(Outcome::Ok))
        })
    }
}

/// The bytes of the answer; none where nothing came.
fn get(address: SocketAddr, path: &str) -> std::io::Result<Vec<u8>> {
    let nothing = |error: &std::io::Error| {
        matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::ConnectionReset)
    };
    let mut bytes = Vec::new();
    let exchange = |bytes: &mut Vec<u8>| {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: app1-service\r\nconnection: close\r\n\r\n")?;
        stream.read_to_end(bytes).map(drop)
    };
    match exchange(&mut bytes) {
        Err(error) if !nothing(&error) => Err(error),
        _ => Ok(bytes),
    }
}
