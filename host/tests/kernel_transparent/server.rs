//! A server that tells what it saw, and remembers who connected.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::netns::Netns;

/// Serves HTTP/1.1 and HTTP/2 on port 80 of every address of its namespace, until it is dropped.
pub(crate) struct Server {
    accepted: Arc<Mutex<Vec<Accepted>>>,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

/// A connection, as the server sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

impl Server {
    pub(crate) fn start(netns: &Netns) -> Self {
        let (stop, stopped) = oneshot::channel();
        let accepted = Arc::<Mutex<Vec<Accepted>>>::default();
        let (up, is_up) = channel();
        let list = accepted.clone();
        let thread = netns.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("[::]:80").await.unwrap();
                up.send(()).unwrap();
                tokio::select! {
                    () = serve(listener, list) => {}
                    _ = stopped => {}
                }
            });
        });
        is_up.recv().unwrap();
        Self { accepted, stop: Some(stop), thread: Some(thread) }
    }

    /// Ends it: nobody listens on its port any more.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    pub(crate) fn accepted(&self) -> Vec<Accepted> {
        self.accepted.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, accepted: Arc<Mutex<Vec<Accepted>>>) {
    loop {
        let (stream, peer) = listener.accept().await.unwrap();
        let [peer, local] = [peer, stream.local_addr().unwrap()]
            .map(|address| SocketAddr::new(address.ip().to_canonical(), address.port()));
        accepted.lock().unwrap().push(Accepted { peer, local });
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, peer));
            let http = auto::Builder::new(TokioExecutor::new());
            drop(http.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(request: Request<Incoming>, peer: SocketAddr) -> Result<Response<Full<Bytes>>, Infallible> {
    let forwarded = request.headers().get_all("x-forwarded-for").iter();
    let forwarded: Vec<_> = forwarded.map(|value| value.to_str().unwrap()).collect();
    let text = format!("{peer} {:?} {} forwarded={forwarded:?}", request.version(), request.uri().path());
    Ok(Response::new(text.into()))
}
