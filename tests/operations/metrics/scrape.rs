//! A scrape, read.

use std::collections::BTreeMap;

pub(crate) type Labels = BTreeMap<String, String>;

/// A scrape, parsed. A histogram's lines are series of names of their own, without `le`.
pub(crate) struct Scrape {
    pub(crate) help: BTreeMap<String, String>,
    pub(crate) kinds: BTreeMap<String, String>,
    pub(crate) series: Vec<(String, Labels, f64)>,
}

impl Scrape {
    pub(crate) fn parse(text: &str) -> Self {
        let mut scrape = Self { help: BTreeMap::new(), kinds: BTreeMap::new(), series: Vec::new() };
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                assert!(scrape.help.insert(name.to_owned(), help.to_owned()).is_none(), "{line}");
            } else if let Some((name, kind)) =
                line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
            {
                assert!(scrape.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                scrape.series.push((name.to_owned(), labels_of(labels), value.parse().unwrap()));
            }
        }
        scrape
    }

    /// The metric that a series belongs to.
    pub(crate) fn metric_of<'a>(&self, series: &'a str) -> &'a str {
        ["_bucket", "_sum", "_count"]
            .into_iter()
            .filter_map(|end| series.strip_suffix(end))
            .find(|name| self.kinds.get(*name).is_some_and(|kind| kind == "histogram"))
            .unwrap_or(series)
    }

    /// The labels and values of all series of a metric.
    pub(crate) fn of(&self, metric: &str) -> Vec<(&Labels, f64)> {
        let of = self.series.iter().filter(|(name, ..)| self.metric_of(name) == metric);
        of.map(|(_, labels, value)| (labels, *value)).collect()
    }

    /// The value of the series with exactly these labels.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        self.series.iter().find(|(own, of, _)| own == name && *of == labels).map(|(.., value)| *value)
    }
}

fn labels_of(text: &str) -> Labels {
    let Some(text) = text.strip_suffix("\"}") else { return Labels::new() };
    let labels = text.split("\",").map(|label| label.split_once("=\"").unwrap());
    labels
        .filter(|(name, _)| *name != "le")
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
