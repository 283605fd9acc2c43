//! Several measurements of the same thing.

use serde::{Deserialize, Serialize};

/// The values, in the order in which they were measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// The median of what this was of the other, turn by turn.
    pub(crate) fn ratio(&self, other: &Self) -> f64 {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own / other).collect()).median()
    }

    /// The smallest value that so many of a hundred are not above. Not a number where there are none.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(rank).copied().unwrap_or(f64::NAN)
    }
}
