//! What the proxy counts, beside what the filter counts.

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
        registry.source(move || guest.samples().into_iter().flat_map(samples).collect());
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
fn samples(of: MetricSample) -> Vec<Sample> {
    match of.kind {
        MetricKind::Counter => vec![Sample { name: of.name, value: SampleValue::Counter(of.value) }],
        MetricKind::Gauge => {
            vec![Sample { name: of.name, value: SampleValue::Gauge(of.value.cast_signed()) }]
        }
        MetricKind::Histogram => vec![
            Sample { name: format!("{}_count", of.name), value: SampleValue::Counter(of.count) },
            Sample { name: format!("{}_sum", of.name), value: SampleValue::Counter(of.value) },
        ],
    }
}
