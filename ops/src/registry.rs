//! Metrics in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::family::Family;

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
    /// Its name; bytes that Prometheus does not take in names become `_`. All samples of a name are of one kind.
    pub name: String,
    /// Its labels, in order. Of their names the same holds; of the samples of a name no two have the same values.
    pub labels: Vec<(String, String)>,
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
        // A name is described once, whatever its labels.
        let mut families: BTreeMap<(String, bool), Vec<Sample>> = BTreeMap::new();
        for sample in (self.0)() {
            let name = metric_name(&sample.name);
            let (name, counts) = match sample.value {
                SampleValue::Counter(_) => {
                    (name.strip_suffix("_total").map(ToOwned::to_owned).unwrap_or(name), true)
                }
                SampleValue::Gauge(_) => (name, false),
            };
            families.entry((name, counts)).or_default().push(sample);
        }
        for ((name, counts), samples) in families {
            let kind = if counts { MetricType::Counter } else { MetricType::Gauge };
            let mut family = encoder.encode_descriptor(&name, "Reported by the filter", None, kind)?;
            for Sample { labels, value, .. } in samples {
                let labels: Vec<_> =
                    labels.into_iter().map(|(name, value)| (metric_name(&name), value)).collect();
                write(&mut family, &labels, value)?;
            }
        }
        Ok(())
    }
}

fn write(family: &mut MetricEncoder<'_>, labels: &Vec<(String, String)>, value: SampleValue) -> fmt::Result {
    if labels.is_empty() {
        return put(family, value);
    }
    put(&mut family.encode_family(labels)?, value)
}

fn put(encoder: &mut MetricEncoder<'_>, value: SampleValue) -> fmt::Result {
    match value {
        SampleValue::Counter(value) => encoder.encode_counter::<NoLabelSet, _, u64>(&value, None),
        SampleValue::Gauge(value) => encoder.encode_gauge(&value),
    }
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
            let sample = |name: &str, labels: &[(&str, &str)], value| Sample {
                name: name.into(),
                labels: labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
                value,
            };
            vec![
                sample("a.denied_total", &[], SampleValue::Counter(7)),
                sample("b_total", &[("verdict", "deny"), ("why", "\"a\\")], SampleValue::Counter(1)),
                sample("9", &[], SampleValue::Gauge(-1)),
                sample("b_total", &[("verdict", "allow"), ("why", "")], SampleValue::Counter(2)),
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
            "b_total{verdict=\"deny\",why=\"\\\"a\\\\\"} 1",
            "b_total{verdict=\"allow\",why=\"\"} 2",
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert_eq!(text.matches("# TYPE b counter").count(), 1, "{text}");
    }
}
