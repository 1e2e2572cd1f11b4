//! Medians: one disturbed measurement does not move them.

use anyhow::{Context as _, Result};

/// The middle of the values, their lowest and their highest.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) lowest: f64,
    pub(crate) median: f64,
    pub(crate) highest: f64,
}

impl Spread {
    /// Of at least one value; of an even number the upper of the two in the middle.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Result<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().context("nothing was measured");
        Ok(Self {
            lowest: at(0)?,
            median: at(values.len() / 2)?,
            highest: at(values.len().saturating_sub(1))?,
        })
    }
}
