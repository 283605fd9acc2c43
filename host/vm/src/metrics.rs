//! Metrics that guests define, shared by every VM.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A guest may not fill the host's memory with names.
const MAX_METRICS: usize = 10_000;
const MAX_NAME_BYTES: usize = 1024;

/// What a metric does with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Keeps the number and the sum of what was recorded.
    Histogram,
}

/// One metric. Updates are relaxed atomics: no lock, no order between metrics.
#[derive(Debug)]
pub struct Metric {
    kind: MetricKind,
    /// The value of a counter or a gauge, the sum of a histogram.
    value: AtomicU64,
    /// How many values a histogram took.
    count: AtomicU64,
}

/// A metric's value at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricSample {
    /// The name as the guest gave it.
    pub name: String,
    /// What kind it is.
    pub kind: MetricKind,
    /// The value of a counter or a gauge, the sum of a histogram.
    pub value: u64,
    /// How many values a histogram took.
    pub count: u64,
}

/// Every metric by its name. VMs of the same plugin add to the same ones.
#[derive(Debug, Default)]
pub struct MetricsStore {
    metrics: Mutex<HashMap<String, Arc<Metric>>>,
}

impl MetricsStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The values now, ordered by name.
    #[must_use]
    pub fn samples(&self) -> Vec<MetricSample> {
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let mut samples: Vec<_> = metrics.iter().map(|(name, metric)| metric.sample(name)).collect();
        samples.sort_by(|a, b| a.name.cmp(&b.name));
        samples
    }

    /// Finds or makes a metric. `None`: the name is taken by another kind, is too long, or there are too many.
    pub(crate) fn define(&self, kind: MetricKind, name: &str) -> Option<Arc<Metric>> {
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metric) = metrics.get(name) {
            return (metric.kind == kind).then(|| metric.clone());
        }
        if metrics.len() >= MAX_METRICS || name.len() > MAX_NAME_BYTES {
            return None;
        }
        let metric = Arc::new(Metric { kind, value: AtomicU64::new(0), count: AtomicU64::new(0) });
        metrics.insert(name.to_owned(), metric.clone());
        Some(metric)
    }
}

impl Metric {
    /// Adds an offset. A counter takes no negative one, a histogram none at all.
    pub(crate) fn increment(&self, offset: i64) -> Option<()> {
        match self.kind {
            MetricKind::Counter => self.value.fetch_add(u64::try_from(offset).ok()?, Ordering::Relaxed),
            MetricKind::Gauge if offset < 0 => self.value.fetch_sub(offset.unsigned_abs(), Ordering::Relaxed),
            MetricKind::Gauge => self.value.fetch_add(offset.unsigned_abs(), Ordering::Relaxed),
            MetricKind::Histogram => return None,
        };
        Some(())
    }

    /// Sets a gauge; adds to a counter or a histogram.
    pub(crate) fn record(&self, value: u64) {
        match self.kind {
            MetricKind::Gauge => self.value.store(value, Ordering::Relaxed),
            MetricKind::Counter | MetricKind::Histogram => {
                self.value.fetch_add(value, Ordering::Relaxed);
                self.count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn value(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    fn sample(&self, name: &str) -> MetricSample {
        let count = self.count.load(Ordering::Relaxed);
        MetricSample { name: name.to_owned(), kind: self.kind, value: self.value(), count }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_metric_of_one_kind() {
        let store = MetricsStore::new();
        store.define(MetricKind::Counter, "a").unwrap().increment(2);
        let again = store.define(MetricKind::Counter, "a").unwrap();
        assert_eq!(again.increment(-1), None);
        assert_eq!(again.value(), 2);
        assert!(store.define(MetricKind::Gauge, "a").is_none());
        assert!(store.define(MetricKind::Gauge, &"n".repeat(MAX_NAME_BYTES + 1)).is_none());
    }

    #[test]
    fn gauges_go_down_and_histograms_sum() {
        let store = MetricsStore::new();
        let gauge = store.define(MetricKind::Gauge, "g").unwrap();
        gauge.record(5);
        gauge.increment(-2).unwrap();
        let histogram = store.define(MetricKind::Histogram, "h").unwrap();
        histogram.record(4);
        histogram.record(6);
        assert_eq!(histogram.increment(1), None);
        let values: Vec<_> = store.samples().into_iter().map(|s| (s.value, s.count)).collect();
        assert_eq!(values, [(3, 0), (10, 2)]);
    }
}
