//! Metrics in Prometheus' text format.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;

pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;

/// The metrics of one process. Everything is registered at start; counting takes no lock.
#[derive(Debug, Default)]
pub struct Registry {
    inner: prometheus_client::registry::Registry,
}

/// One value read at the time of a scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its name; bytes that Prometheus does not take in names become `_`.
    pub name: String,
    /// Its value.
    pub value: SampleValue,
}

/// What a sample is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleValue {
    /// Only grows. Its name gets the suffix `_total`.
    Counter(u64),
    /// Goes up and down.
    Gauge(i64),
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a counter. `name` goes without the suffix `_total`, `help` without a full stop.
    pub fn counter(&mut self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.inner.register(name, help, counter.clone());
        counter
    }

    /// Registers a gauge.
    pub fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        self.inner.register(name, help, gauge.clone());
        gauge
    }

    /// Registers one counter for each value of a label. The set is closed, so that a counter is at hand without a lookup.
    pub fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: [&'static str; N],
    ) -> [Counter; N] {
        let family = Family::<[(&'static str, &'static str); 1], Counter>::default();
        self.inner.register(name, help, family.clone());
        values.map(|value| family.get_or_create(&[(label, value)]).clone())
    }

    /// Registers one gauge for each value of a label, as [`Registry::counters`] does.
    pub fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        label: &'static str,
        values: [&'static str; N],
    ) -> [Gauge; N] {
        let family = Family::<[(&'static str, &'static str); 1], Gauge>::default();
        self.inner.register(name, help, family.clone());
        values.map(|value| family.get_or_create(&[(label, value)]).clone())
    }

    /// Registers values that are kept elsewhere and read at each scrape.
    pub fn source(&mut self, read: impl Fn() -> Vec<Sample> + Send + Sync + 'static) {
        self.inner.register_collector(Box::new(Source(read)));
    }

    /// The text of a scrape.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.inner) {
            Ok(()) => text,
            // Writing to a string does not fail.
            Err(fmt::Error) => String::new(),
        }
    }

    /// The content type of that text.
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
}

struct Source<F>(F);

impl<F> fmt::Debug for Source<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl<F: Fn() -> Vec<Sample> + Send + Sync + 'static> Collector for Source<F> {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for sample in (self.0)() {
            let name = metric_name(&sample.name);
            match sample.value {
                SampleValue::Counter(value) => {
                    let name = name.strip_suffix("_total").unwrap_or(&name);
                    write(&mut encoder, name, &ConstCounter::new(value))?;
                }
                SampleValue::Gauge(value) => write(&mut encoder, &name, &ConstGauge::new(value))?,
            }
        }
        Ok(())
    }
}

fn write(encoder: &mut DescriptorEncoder, name: &str, metric: &impl EncodeMetric) -> fmt::Result {
    let metric_encoder =
        encoder.encode_descriptor(name, "Reported by the filter", None, metric.metric_type())?;
    metric.encode(metric_encoder)
}

fn metric_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut name: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if !name.starts_with(|c: char| fits(c) && !c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_has_every_value() {
        let mut registry = Registry::new();
        let [ok, _] = registry.counters("requests", "Requests", "code", ["2xx", "4xx"]);
        ok.inc();
        registry.gauge("open", "Open connections").set(3);
        let [_, old] = registry.gauges("clients", "Clients", "kind", ["new", "old"]);
        old.set(2);
        registry.source(|| {
            vec![
                Sample { name: "a.denied_total".into(), value: SampleValue::Counter(7) },
                Sample { name: "9".into(), value: SampleValue::Gauge(-1) },
            ]
        });
        let text = registry.encode();
        for line in [
            "requests_total{code=\"2xx\"} 1",
            "requests_total{code=\"4xx\"} 0",
            "open 3",
            "clients{kind=\"new\"} 0",
            "clients{kind=\"old\"} 2",
            "a_denied_total 7",
            "_9 -1",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
