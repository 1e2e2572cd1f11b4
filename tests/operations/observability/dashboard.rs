//! The dashboard, as far as it can be judged without Grafana.

use std::collections::BTreeSet;

use serde_json::Value;

use super::files::dashboard;

/// The width of a dashboard of Grafana, in its own unit.
const WIDTH: u64 = 24;

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

#[test]
fn it_stays_the_same_dashboard_when_it_is_loaded_again() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "nebulink");
    assert!(dashboard.get("id").is_none(), "an id belongs to one Grafana");
    assert!(number(&dashboard["schemaVersion"]) >= 39);
}

#[test]
fn every_panel_has_a_description_a_unit_and_the_data_source_that_was_chosen() {
    for panel in dashboard()["panels"].as_array().unwrap() {
        if panel["type"] == "row" {
            continue;
        }
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].as_str().is_some_and(|text| text.len() > 30), "{title}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{title} shows nothing");
        let sources = panel["targets"].as_array().unwrap().iter().map(|target| &target["datasource"]["uid"]);
        assert!(sources.chain([&panel["datasource"]["uid"]]).all(|uid| uid == "${datasource}"), "{title}");
    }
}

#[test]
fn no_two_panels_share_an_id_or_a_place() {
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard()["panels"].as_array().unwrap() {
        assert!(ids.insert(number(&panel["id"])), "{panel}");
        let place = &panel["gridPos"];
        let (x, y, width, height) =
            (number(&place["x"]), number(&place["y"]), number(&place["w"]), number(&place["h"]));
        assert!(x + width <= WIDTH, "{place}");
        for column in x..x + width {
            for row in y..y + height {
                assert!(places.insert((column, row)), "{} covers another panel", panel["title"]);
            }
        }
    }
}

#[test]
fn only_variables_that_it_has_are_used() {
    let dashboard = dashboard();
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let variables: BTreeSet<_> = variables.map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(variables, BTreeSet::from(["datasource", "job", "namespace", "project"]));
    for query in super::files::queries() {
        for rest in query.expression.split('$').skip(1) {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap();
            let (name, _) = rest.split_at(end);
            assert!(name == "__rate_interval" || variables.contains(name), "{}: {name}", query.panel);
        }
    }
}
