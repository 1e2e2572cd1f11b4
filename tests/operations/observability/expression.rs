//! The names in an expression of Prometheus: metrics, what their labels are compared with, labels that it groups by.

use rusty_promql_parser::ast::Expr;
use rusty_promql_parser::expr;
use rusty_promql_parser::parser::selector::{LabelMatchOp, VectorSelector};

/// The names in one expression.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) selectors: Vec<Selector>,
    /// Labels in `by`, `without`, `on`, `ignoring` and `group_left`.
    pub(crate) labels: Vec<String>,
}

/// A metric, and what its labels are compared with.
#[derive(Debug)]
pub(crate) struct Selector {
    pub(crate) metric: String,
    pub(crate) comparisons: Vec<Comparison>,
}

/// A label and the values that are asked for.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) label: String,
    /// Each of them is one alternative, in which `.` may be any character and a last `.*` any rest.
    pub(crate) values: Vec<String>,
}

/// Reads an expression. Panics if it is none.
#[track_caller]
pub(crate) fn named(text: &str) -> Named {
    let mut named = Named::default();
    match expr(text.trim()) {
        Ok(("", tree)) => named.walk(&tree),
        Ok((rest, _)) => panic!("what is this: {rest:?} in {text}"),
        Err(error) => panic!("{error} in {text}"),
    }
    named
}

impl Named {
    fn walk(&mut self, tree: &Expr) {
        match tree {
            Expr::Number(_) | Expr::String(_) => {}
            Expr::VectorSelector(selector) => self.select(selector),
            Expr::MatrixSelector(matrix) => self.select(&matrix.selector),
            Expr::Call(call) => call.args.iter().for_each(|argument| self.walk(argument)),
            Expr::Aggregation(aggregation) => {
                let grouping = aggregation.grouping.iter();
                self.labels.extend(grouping.flat_map(|grouping| grouping.labels.clone()));
                aggregation.param.iter().for_each(|parameter| self.walk(parameter));
                self.walk(&aggregation.expr);
            }
            Expr::Binary(binary) => {
                let matching = binary.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref());
                if let Some(matching) = matching {
                    self.labels.extend(matching.labels.clone());
                    self.labels.extend(matching.group.iter().flat_map(|group| group.labels.clone()));
                }
                self.walk(&binary.lhs);
                self.walk(&binary.rhs);
            }
            Expr::Unary(unary) => self.walk(&unary.expr),
            Expr::Paren(inner) => self.walk(inner),
            Expr::Subquery(subquery) => self.walk(&subquery.expr),
        }
    }

    fn select(&mut self, selector: &VectorSelector) {
        let comparisons = selector.matchers.iter().map(|matcher| Comparison {
            label: matcher.name.clone(),
            values: match matcher.op {
                LabelMatchOp::Equal | LabelMatchOp::NotEqual => vec![matcher.value.clone()],
                LabelMatchOp::RegexMatch | LabelMatchOp::RegexNotMatch => {
                    matcher.value.split('|').map(str::to_owned).collect()
                }
            },
        });
        let metric = selector.name.clone().expect("every selector names its metric");
        self.selectors.push(Selector { metric, comparisons: comparisons.collect() });
    }
}

impl Comparison {
    /// Returns true if an alternative stands for this value.
    pub(crate) fn fits(&self, alternative: &str, value: &str) -> bool {
        if self.label == "le" {
            // Prometheus 3 writes 1 as 1.0.
            return alternative.parse::<f64>().unwrap().to_bits()
                == value.parse::<f64>().unwrap_or(f64::NAN).to_bits();
        }
        let (pattern, has_rest) = match alternative.strip_suffix(".*") {
            Some(pattern) => (pattern, true),
            None => (alternative, false),
        };
        assert!(!pattern.contains(['*', '+', '?', '(', '[', '\\', '^', '$']), "too clever: {alternative}");
        let begins = pattern.len() <= value.len()
            && pattern.bytes().zip(value.bytes()).all(|(wanted, own)| wanted == b'.' || wanted == own);
        begins && (has_rest || pattern.len() == value.len())
    }
}

#[test]
fn everything_that_an_expression_names_is_found() {
    let named = named(
        r#"sum by (a, b) (rate(x_total{c="1", d=~"2|3..|/e.*"}[5m])) / on (f) group_left (g) (0 * -max_over_time(y[1h:1m])) > 3"#,
    );
    let metrics: Vec<_> = named.selectors.iter().map(|selector| selector.metric.as_str()).collect();
    assert_eq!(metrics, ["x_total", "y"]);
    assert_eq!(named.labels, ["f", "g", "a", "b"]);
    let comparison = &named.selectors[0].comparisons[1];
    assert_eq!(comparison.values, ["2", "3..", "/e.*"]);
    for (alternative, value, fits) in [
        ("2", "2", true),
        ("2", "22", false),
        ("3..", "302", true),
        ("3..", "3", false),
        ("/e.*", "/e/f", true),
    ] {
        assert_eq!(comparison.fits(alternative, value), fits, "{alternative} {value}");
    }
}
