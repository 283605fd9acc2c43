//! Properties by path, in the encodings of Envoy: text as it is, integers as 8 bytes little-endian, flags as one byte.

use crate::connection::{ConnectionInfo, Direction};
use crate::headers::Headers;
use crate::host::Host;

/// Appends the value of a property (its path's parts are joined by NUL), or says that there is none.
pub(crate) fn lookup(host: &Host, path: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match path {
        b"plugin_name" => out.extend_from_slice(host.plugin.name.as_bytes()),
        b"plugin_root_id" => out.extend_from_slice(host.effective_root().as_bytes()),
        b"plugin_vm_id" => out.extend_from_slice(host.plugin.vm_id.as_bytes()),
        _ => match path.split(|byte| *byte == 0).next() {
            Some(b"request") => request(host.request_headers()?, path, out)?,
            _ => connection(host.connection()?, path, out)?,
        },
    }
    Some(())
}

fn connection(info: &ConnectionInfo, path: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match path {
        b"source\0address" => out.extend_from_slice(info.source_endpoint().text.as_bytes()),
        b"source\0port" => integer(info.source().port(), out),
        b"destination\0address" => out.extend_from_slice(info.destination_endpoint().text.as_bytes()),
        b"destination\0port" => integer(info.destination().port(), out),
        b"connection\0mtls" => out.push(u8::from(info.mtls())),
        b"connection\0uri_san_peer_certificate" => out.extend_from_slice(info.peer_uri()?.as_bytes()),
        b"connection\0requested_server_name" => out.extend_from_slice(info.server_name()?.as_bytes()),
        b"xds\0listener_direction" => integer(direction(info.direction()), out),
        _ => return None,
    }
    Some(())
}

fn request(headers: &Headers, path: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let name: &[u8] = match path {
        b"request\0path" => b":path",
        b"request\0method" => b":method",
        b"request\0host" => b":authority",
        b"request\0scheme" => b":scheme",
        _ => return None,
    };
    out.extend_from_slice(headers.get(name)?);
    Some(())
}

fn integer(value: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&i64::from(value).to_le_bytes());
}

/// Envoy's `TrafficDirection`.
fn direction(of: Direction) -> u16 {
    match of {
        Direction::Unspecified => 0,
        Direction::Inbound => 1,
        Direction::Outbound => 2,
    }
}
