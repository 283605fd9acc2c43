//! Metrics.

use std::sync::Arc;

use wasmtime::{Caller, Linker};

use super::{ENV, span, status};
use crate::abi::Status;
use crate::guest::{Answer, Guest, Span};
use crate::host::Host;
use crate::metrics::{Metric, MetricKind};

type C<'a> = Caller<'a, Host>;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(ENV, "proxy_define_metric", |c: C<'_>, kind: u32, name: u32, len: u32, at: u32| {
        status(define(&mut Guest(c), kind, span(name, len), at))
    })?;
    linker.func_wrap(ENV, "proxy_increment_metric", |c: C<'_>, id: u32, offset: i64| {
        status(increment(Guest(c).host(), id, offset))
    })?;
    linker.func_wrap(ENV, "proxy_record_metric", |c: C<'_>, id: u32, value: u64| {
        status(record(Guest(c).host(), id, value))
    })?;
    linker.func_wrap(ENV, "proxy_get_metric", |c: C<'_>, id: u32, at: u32| {
        let mut guest = Guest(c);
        let value = metric(guest.host(), id).map(Metric::value);
        status(value.map_err(Into::into).and_then(|value| guest.write(at, &value.to_le_bytes())))
    })?;
    Ok(())
}

fn define(guest: &mut Guest<'_>, kind: u32, name: Span, at: u32) -> Answer {
    let kind = match kind {
        0 => MetricKind::Counter,
        1 => MetricKind::Gauge,
        2 => MetricKind::Histogram,
        _ => return Err(Status::BadArgument.into()),
    };
    let (name, host) = guest.read(name)?;
    let name = std::str::from_utf8(name).map_err(|_| Status::BadArgument)?;
    let metric = host.metrics.define(kind, name).ok_or(Status::BadArgument)?;
    // Defining again gives the same id. The store bounds how many there are.
    let known = host.defined.iter().position(|known| Arc::ptr_eq(known, &metric));
    let id = known.unwrap_or_else(|| {
        host.defined.push(metric);
        host.defined.len() - 1
    });
    let id = u32::try_from(id).map_err(|_| Status::InternalFailure)?;
    guest.write(at, &id.to_le_bytes())
}

fn increment(host: &Host, id: u32, offset: i64) -> Answer {
    Ok(metric(host, id)?.increment(offset).ok_or(Status::BadArgument)?)
}

fn record(host: &Host, id: u32, value: u64) -> Answer {
    metric(host, id)?.record(value);
    Ok(())
}

fn metric(host: &Host, id: u32) -> Result<&Metric, Status> {
    host.defined.get(id as usize).map(Arc::as_ref).ok_or(Status::NotFound)
}
