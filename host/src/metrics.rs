//! What the proxy counts, beside what the filter counts.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::StatusCode;
use postern_host_vm::{MetricKind, MetricSample, MetricsStore};
use postern_ops::{Counter, Registry, Sample, SampleValue};

#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    pub(crate) accepted: Counter,
    pub(crate) denied: Counter,
    pub(crate) connection_faults: Counter,
    pub(crate) loops: Counter,
    pub(crate) faults: Counter,
    pub(crate) config_accepted: Counter,
    pub(crate) config_refused: Counter,
    requests: [Counter; 5],
}

impl Metrics {
    pub(crate) fn new(guest: Arc<MetricsStore>) -> Self {
        let mut registry = Registry::new();
        let classes = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let requests = registry.counters(
            "postern_proxy_requests",
            "Requests by the class of the answer",
            "code",
            classes,
        );
        let outcomes = ["accepted", "denied", "fault", "loop"];
        let [accepted, denied, connection_faults, loops] = registry.counters(
            "postern_proxy_connections",
            "Connections by what the filter said; a loop is one to the proxy itself, where it stands before other servers",
            "outcome",
            outcomes,
        );
        let faults = registry.counter(
            "postern_proxy_filter_faults",
            "Calls that the filter failed on, each of which denied something",
        );
        let [config_accepted, config_refused] = registry.counters(
            "postern_proxy_config_updates",
            "Filter configurations by what became of them, for each worker",
            "result",
            ["accepted", "refused"],
        );
        registry.source(move || guest.samples().iter().flat_map(samples).collect());
        Self {
            registry,
            accepted,
            denied,
            connection_faults,
            loops,
            faults,
            config_accepted,
            config_refused,
            requests,
        }
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).wrapping_sub(1);
        if let Some(counter) = self.requests.get(class) {
            counter.inc();
        }
    }
}

/// A guest's metric as it is scraped; a histogram as its count and its sum.
fn samples(of: &MetricSample) -> Vec<Sample> {
    let (name, labels) = labelled(&of.name);
    let sample = |name: String, value| Sample { name, labels: labels.clone(), value };
    match of.kind {
        MetricKind::Counter => vec![sample(name, SampleValue::Counter(of.value))],
        MetricKind::Gauge => vec![sample(name, SampleValue::Gauge(of.value.cast_signed()))],
        MetricKind::Histogram => vec![
            sample(format!("{name}_count"), SampleValue::Counter(of.count)),
            sample(format!("{name}_sum"), SampleValue::Counter(of.value)),
        ],
    }
}

/// The labels that a guest wrote into a name, `requests_total.verdict=deny.reason=no-match`: the ABI has no others. In
/// a value, `%` and two digits are the byte they name. Any other name is a name.
fn labelled(name: &str) -> (String, Vec<(String, String)>) {
    let mut parts = name.split('.');
    let plain = parts.next().unwrap_or_default();
    let label = |part: &str| {
        let (key, value) = part.split_once('=')?;
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_key = key.starts_with(|c: char| c.is_ascii_lowercase()) && key.chars().all(letters);
        is_key.then(|| (key.to_owned(), unescaped(value)))
    };
    let labels: Option<Vec<_>> = parts.map(label).collect();
    match labels {
        Some(labels) if labels.iter().map(|(key, _)| key).collect::<BTreeSet<_>>().len() == labels.len() => {
            (plain.to_owned(), labels)
        }
        _ => (name.to_owned(), Vec::new()),
    }
}

fn unescaped(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *byte == b'%').and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, plain: &str, labels: &[(&str, &str)]) {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(labelled(name), (plain.to_owned(), labels));
    }

    #[test]
    fn labels_are_read_out_of_names() {
        check("a_total", "a_total", &[]);
        check("a_total.verdict=deny.why=no-match", "a_total", &[("verdict", "deny"), ("why", "no-match")]);
        check("a.rule=cnp/x%2Ey%25%3D", "a", &[("rule", "cnp/x.y%=")]);
        check("a.rule=%2.b=%zz.c=", "a", &[("rule", "%2"), ("b", "%zz"), ("c", "")]);
        for other in ["a.b", "a.b.c=d", "a.=d", "a.B=d", "a.b=1.b=2", ".", "a.b-c=d"] {
            check(other, other, &[]);
        }
    }
}
