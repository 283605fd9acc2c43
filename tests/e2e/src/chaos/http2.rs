//! HTTP/2 frames by hand: a client that checks nothing of what it sends.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const MAX_FRAME: usize = 16 << 10;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status 200` in HPACK's static table.
const OK: u8 = 0x88;

/// Sends one request. `Some(true)`: it was answered with 200. `None`: no end came before the deadline.
pub(super) fn request(
    from: IpAddr,
    to: SocketAddr,
    fields: &[(Vec<u8>, Vec<u8>)],
    deadline: Duration,
) -> Option<bool> {
    let end = Instant::now() + deadline;
    let mut stream = connect(from, to, deadline)?;
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frames(&block(fields)));
    // Refused while it is sent: the answer is still to be read.
    let _ = stream.write_all(&bytes);
    loop {
        let Some((kind, payload)) = frame(&mut stream, end) else {
            return (Instant::now() < end).then_some(false);
        };
        match kind {
            HEADERS => {
                // Changes of the dynamic table's size may come first.
                let first = payload.iter().find(|byte| **byte & 0xe0 != 0x20);
                return Some(first == Some(&OK));
            }
            RST_STREAM | GOAWAY => return Some(false),
            _ => {}
        }
    }
}

fn connect(from: IpAddr, to: SocketAddr, deadline: Duration) -> Option<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP)).ok()?;
    socket.bind(&SocketAddr::new(from, 0).into()).ok()?;
    socket.connect_timeout(&to.into(), deadline).ok()?;
    let stream: TcpStream = socket.into();
    stream.set_write_timeout(Some(deadline)).ok()?;
    Some(stream)
}

/// Kind and payload of the next frame; none at the end, or when it is too late.
fn frame(stream: &mut TcpStream, end: Instant) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    read(stream, &mut head, end)?;
    let [a, b, c, kind, ..] = head;
    let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
    read(stream, &mut payload, end)?;
    Some((kind, payload))
}

fn read(stream: &mut TcpStream, buffer: &mut [u8], end: Instant) -> Option<()> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return None;
    }
    stream.set_read_timeout(Some(left)).ok()?;
    stream.read_exact(buffer).ok()
}

/// Literals without indexing and without Huffman's code.
fn block(fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend(text);
        }
    }
    block
}

/// An integer with a prefix of seven bits.
fn length(out: &mut Vec<u8>, length: usize) {
    const PREFIX: usize = 127;
    let low = |value: usize| u8::try_from(value & 0x7f).unwrap_or_default();
    if length < PREFIX {
        out.push(low(length));
        return;
    }
    out.push(low(PREFIX));
    let mut rest = length - PREFIX;
    while rest >= 128 {
        out.push(low(rest) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest));
}

fn frames(block: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let pieces = block.chunks(MAX_FRAME);
    let last = pieces.len().saturating_sub(1);
    for (index, piece) in pieces.enumerate() {
        let kind = if index == 0 { HEADERS } else { CONTINUATION };
        let mut flags = if index == last { END_HEADERS } else { 0 };
        if index == 0 {
            flags |= END_STREAM;
        }
        let size = u32::try_from(piece.len()).unwrap_or_default().to_be_bytes();
        out.extend(size.iter().skip(1));
        out.extend([kind, flags, 0, 0, 0, 1]);
        out.extend(piece);
    }
    out
}
