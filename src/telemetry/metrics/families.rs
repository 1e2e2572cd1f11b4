//! All series by their names and labels, and the text of a scrape.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{Key, KeyName, Metadata, Recorder, SharedString, Unit};
use parking_lot::Mutex;

use super::series::{BOUNDS, Counter, Counts, Histogram};

/// The metrics by their names. It is locked when a series is registered and for a scrape, never to count.
#[derive(Debug, Default)]
pub(super) struct Families(Mutex<BTreeMap<String, Family>>);

/// The series of one metric.
#[derive(Debug, Default)]
struct Family {
    help: SharedString,
    /// By their labels, as a scrape writes them.
    series: BTreeMap<String, AnySeries>,
}

#[derive(Debug)]
enum AnySeries {
    Counter(Arc<Counter>),
    /// The bits of the number.
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Histogram>),
}

impl Families {
    /// Writes every series, in the text format of Prometheus. A metric that was described but has no series is left out.
    pub(super) fn write_to(&self, text: &mut String) {
        for (name, family) in &*self.0.lock() {
            let Some(series) = family.series.values().next() else { continue };
            // Writing to a String does not fail.
            let _written = write!(
                text,
                "# HELP {name} {}\n# TYPE {name} {}\n",
                family.help.replace('\\', r"\\").replace('\n', r"\n"),
                series.kind()
            );
            for (labels, series) in &family.series {
                series.write_to(text, name, labels);
            }
            text.push('\n');
        }
    }

    fn describe(&self, name: &KeyName, help: SharedString) {
        self.0.lock().entry(name.as_str().to_owned()).or_default().help = help;
    }

    /// The series of this name and these labels, if it is one of this kind; it is made if there is none.
    fn series<T: Default>(
        &self,
        key: &Key,
        new: fn(Arc<T>) -> AnySeries,
        of: fn(&AnySeries) -> Option<&Arc<T>>,
    ) -> Option<Arc<T>> {
        let mut families = self.0.lock();
        let family = families.entry(key.name().to_owned()).or_default();
        of(family.series.entry(labels(key)).or_insert_with(|| new(Arc::default()))).cloned()
    }
}

impl AnySeries {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Counter(_) => "counter",
            Self::Gauge(_) => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }

    const fn counter(&self) -> Option<&Arc<Counter>> {
        if let Self::Counter(counter) = self { Some(counter) } else { None }
    }

    const fn gauge(&self) -> Option<&Arc<AtomicU64>> {
        if let Self::Gauge(gauge) = self { Some(gauge) } else { None }
    }

    const fn histogram(&self) -> Option<&Arc<Histogram>> {
        if let Self::Histogram(histogram) = self { Some(histogram) } else { None }
    }

    fn write_to(&self, text: &mut String, name: &str, labels: &str) {
        let in_braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _written = match self {
            Self::Counter(counter) => writeln!(text, "{name}{in_braces} {}", counter.get()),
            Self::Gauge(bits) => {
                writeln!(text, "{name}{in_braces} {}", f64::from_bits(bits.load(Ordering::Relaxed)))
            }
            Self::Histogram(histogram) => {
                let Counts { cumulated, sum } = histogram.counts();
                let comma = if labels.is_empty() { "" } else { "," };
                let bounds = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
                let mut count = 0;
                for (bound, cumulated) in bounds.zip(cumulated) {
                    let _written =
                        writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {cumulated}");
                    count = cumulated;
                }
                write!(text, "{name}_sum{in_braces} {sum}\n{name}_count{in_braces} {count}\n")
            }
        };
    }
}

/// The labels of a series as a scrape writes them, without braces.
fn labels(key: &Key) -> String {
    let escaped = |value: &str| value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    let labels = key.labels().map(|label| format!("{}=\"{}\"", label.key(), escaped(label.value())));
    labels.collect::<Vec<_>>().join(",")
}

impl Recorder for Families {
    fn describe_counter(&self, name: KeyName, _unit: Option<Unit>, help: SharedString) {
        self.describe(&name, help);
    }

    fn describe_gauge(&self, name: KeyName, _unit: Option<Unit>, help: SharedString) {
        self.describe(&name, help);
    }

    fn describe_histogram(&self, name: KeyName, _unit: Option<Unit>, help: SharedString) {
        self.describe(&name, help);
    }

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> metrics::Counter {
        self.series(key, AnySeries::Counter, AnySeries::counter)
            .map_or(metrics::Counter::noop(), metrics::Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> metrics::Gauge {
        self.series(key, AnySeries::Gauge, AnySeries::gauge)
            .map_or(metrics::Gauge::noop(), metrics::Gauge::from_arc)
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> metrics::Histogram {
        self.series(key, AnySeries::Histogram, AnySeries::histogram)
            .map_or(metrics::Histogram::noop(), metrics::Histogram::from_arc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_has_each_series_below_the_help_and_type_of_its_metric() {
        let families = Families::default();
        metrics::with_local_recorder(&families, || {
            metrics::describe_counter!("b_total", "Things with a \\ and\na line");
            metrics::describe_gauge!("a", "Now");
            metrics::describe_gauge!("nothing", "Never set");
            metrics::counter!("b_total", "to" => "z").increment(1);
            metrics::counter!("b_total", "to" => "\"\\\n").increment(2);
            metrics::counter!("b_total", "to" => "z").increment(3);
            metrics::gauge!("a").set(1.5);
        });
        let mut text = String::new();
        families.write_to(&mut text);
        let expected = r#"# HELP a Now
# TYPE a gauge
a 1.5

# HELP b_total Things with a \\ and\na line
# TYPE b_total counter
b_total{to="\"\\\n"} 2
b_total{to="z"} 4

"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn a_histogram_has_cumulated_buckets_a_sum_and_a_count() {
        let families = Families::default();
        metrics::with_local_recorder(&families, || {
            let duration = metrics::histogram!("d_seconds", "to" => "z");
            for value in [0.0001, 0.3, 0.4, 60.0] {
                duration.record(value);
            }
        });
        let mut text = String::new();
        families.write_to(&mut text);
        for line in [
            "# TYPE d_seconds histogram",
            "d_seconds_bucket{to=\"z\",le=\"0.0001\"} 1",
            "d_seconds_bucket{to=\"z\",le=\"0.25\"} 1",
            "d_seconds_bucket{to=\"z\",le=\"0.5\"} 3",
            "d_seconds_bucket{to=\"z\",le=\"10\"} 3",
            "d_seconds_bucket{to=\"z\",le=\"+Inf\"} 4",
            "d_seconds_sum{to=\"z\"} 60.7001",
            "d_seconds_count{to=\"z\"} 4",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} in {text}");
        }
    }
}
