//! `[[projects]]`, and the project of the environment.

use std::path::Path;

use secrecy::ExposeSecret;

use super::super::{ApiKeySetting, ProjectSettings};
use super::*;

fn project(settings: &str) -> Result<Vec<ProjectSettings>, SettingProblems> {
    load_file(&format!("[[projects]]\n{settings}"), &[]).map(|loaded| loaded.settings.projects)
}

#[test]
fn a_project_has_a_name_and_one_key() {
    for (settings, expected) in [
        ("api_key = 'x'", "projects[0].name: not set: a project needs a name such as default"),
        (
            "name = 'a b'\napi_key = 'x'",
            "projects[0].name: a project's name is 1 to 64 letters, digits, `_` or `-`",
        ),
        ("name = 'a'", "projects[0].api_key: neither api_key nor api_key_file is set"),
        ("name = 'a'\napi_key = ' '", "projects[0].api_key: neither api_key nor api_key_file is set"),
        (
            "name = 'a'\napi_key = 'x'\napi_key_file = '/x'",
            "projects[0].api_key: set beside api_key_file: keep one of the two",
        ),
        ("name = 'a'\napi_key = 12345", "projects[0].api_key: not text in quotes"),
        ("name = 'a'\napi_key = ['x']", "projects[0].api_key: not text in quotes"),
        ("name = 'a'\napi_key_file = true", "projects[0].api_key_file: not text in quotes"),
        (
            "name = 'a'\napi_key = 'x y'",
            "projects[0].api_key: not 1 to 4096 printable ASCII characters without white space",
        ),
        (
            "name = 'a'\napi_key = 'x'\nproject_id = 'p'",
            "projects[0].project_id: set without organization_id",
        ),
        (
            "name = 'a'\napi_key = 'x'\norganization_id = 'o'",
            "projects[0].organization_id: set without project_id",
        ),
        (
            "name = 'a'\napi_key = 'x'\nproject_id = 'p q'\norganization_id = 'o'",
            "projects[0].project_id: not 1 to 128 printable ASCII characters without white space",
        ),
        (
            "name = 'a'\napi_key = 'x'\n[[projects]]\nname = 'a'\napi_key = 'y'",
            "projects[1].name: another project has this name",
        ),
    ] {
        assert_eq!(messages(load_file(&format!("[[projects]]\n{settings}"), &[])), [expected], "{settings}");
    }
    let ids = project("name = 'a'\napi_key_file = '/x'\nproject_id = 'p'\norganization_id = 'o'").unwrap();
    assert_eq!(ids[0].project_id.as_deref().zip(ids[0].organization_id.as_deref()), Some(("p", "o")));
    let longest = |len| project(&format!("name = 'a'\napi_key = '{}'", "k".repeat(len)));
    assert!(longest(4096).is_ok());
    assert!(longest(4097).is_err());
}

#[test]
fn problems_of_all_projects_are_reported_at_once() {
    let content = "[[projects]]\nname = '?'\napi_key = 1\nproject_id = 'p'\n[[projects]]\napi_key_file = 1";
    assert_eq!(
        messages(load_file(content, &[])),
        [
            "projects[0].name: a project's name is 1 to 64 letters, digits, `_` or `-`",
            "projects[0].api_key: not text in quotes",
            "projects[0].project_id: set without organization_id",
            "projects[1].name: not set: a project needs a name such as default",
            "projects[1].api_key_file: not text in quotes",
        ]
    );
}

#[test]
fn the_number_of_projects_is_bounded() {
    let project = |number: usize| format!("[[projects]]\nname = 'p{number}'\napi_key = 'x'\n");
    let content = |count| (0..count).map(project).collect::<String>();
    assert_eq!(load_file(&content(128), &[]).unwrap().settings.projects.len(), 128);
    assert_eq!(messages(load_file(&content(129), &[])), ["projects: more than 128 projects"]);
}

#[test]
fn without_calls_no_key_is_needed() {
    let project = "[[projects]]\nname = 'a'\nproject_id = 'p'\norganization_id = 'o'\n";
    let construct = "[nebuly]\nresolve = 'construct'\n";
    let projects = load_file(&format!("{construct}{project}"), &[]).unwrap().settings.projects;
    assert!(matches!(projects[0].key, ApiKeySetting::NotNeeded));
    let neither = "projects[0].api_key: neither api_key nor api_key_file is set";
    assert_eq!(messages(load_file(project, &[])), [neither]);
    assert_eq!(messages(load_file(&format!("[nebuly]\nresolve = 'x'\n{project}"), &[])).len(), 2);
}

#[test]
fn without_calls_every_project_needs_its_ids() {
    let known = "[[projects]]\nname = 'a'\napi_key = 'x'\nproject_id = 'p'\norganization_id = 'o'\n";
    let unknown = "[[projects]]\nname = 'b'\napi_key = 'y'\n";
    let construct = "[nebuly]\nresolve = 'construct'\n";
    let message = "not set: nebuly.resolve = \"construct\" needs project_id and organization_id";
    assert!(load_file(&format!("{construct}{known}"), &[]).is_ok());
    assert!(load_file(&format!("{known}{unknown}"), &[]).is_ok());
    assert_eq!(
        messages(load_file(&format!("{construct}{known}{unknown}{unknown}").replacen("'b'", "'c'", 1), &[])),
        [format!("projects[1].project_id: {message}"), format!("projects[2].project_id: {message}")]
    );
    // Another problem in [nebuly] does not hide these, and one id without the other is one problem, not two.
    assert_eq!(messages(load_file(&format!("{construct}retries = 'x'\n{unknown}"), &[])).len(), 2);
    let half = "[[projects]]\nname = 'a'\napi_key = 'x'\nproject_id = 'p'\n";
    assert_eq!(messages(load_file(&format!("{construct}{half}"), &[])).len(), 1);
    // The project of the environment has no ids.
    let resolve = ("NEBULINK__NEBULY__RESOLVE", "construct");
    assert_eq!(messages(load_environment(&[KEY, resolve])), [format!("projects[0].project_id: {message}")]);
}

#[test]
fn the_names_of_nebulys_example_describe_one_project() {
    let loaded = load_environment(&[
        ("NEBULY_API_KEY", " 0123456789\n"),
        ("NEBULY_API_BASE_URL", "https://nebuly.example/api/external/"),
    ])
    .unwrap();
    let [project] = loaded.settings.projects.as_slice() else { panic!("one project") };
    assert_eq!(project.name.as_str(), "default");
    // A key of digits stays text.
    assert!(matches!(&project.key, ApiKeySetting::Inline(key) if key.expose_secret() == "0123456789"));
    assert_eq!(loaded.settings.nebuly.api_base_url.as_str(), "https://nebuly.example/api/external");
    assert_eq!(source(&loaded, "nebuly.api_base_url"), variable("NEBULY_API_BASE_URL"));
    assert_eq!(source(&loaded, "projects[0].api_key"), variable("NEBULY_API_KEY"));

    let loaded =
        load_environment(&[("NEBULY_API_KEY", ""), ("NEBULY_API_KEY_FILE", "/nowhere/key")]).unwrap();
    let project = &loaded.settings.projects[0];
    assert!(matches!(&project.key, ApiKeySetting::File(path) if path.as_path() == Path::new("/nowhere/key")));
}

#[test]
fn a_setting_with_two_sources_of_the_same_rank_is_refused() {
    let file = "[[projects]]\nname = 'a'\napi_key = 'x'";
    assert_eq!(
        messages(load_file(file, &[KEY])),
        ["projects.api_key: describes a project beside [[projects]]: keep one of the two"]
    );
    assert_eq!(
        messages(load_file(file, &[("NEBULY_API_KEY_FILE", "/key")])),
        ["projects.api_key_file: describes a project beside [[projects]]: keep one of the two"]
    );
    assert!(load_file("projects = []", &[KEY]).is_ok());
    assert_eq!(
        messages(load_environment(&[KEY, ("NEBULY_API_KEY_FILE", "/key")])),
        ["projects.api_key_file: set beside NEBULY_API_KEY: keep one of the two"]
    );
    let (one, other) = ("https://one.example", "https://other.example");
    assert_eq!(
        messages(load_environment(&[
            KEY,
            ("NEBULY_API_BASE_URL", one),
            ("NEBULINK__NEBULY__API_BASE_URL", other)
        ])),
        ["nebuly.api_base_url: differs from NEBULINK__NEBULY__API_BASE_URL: set one of the two"]
    );
    let same = [KEY, ("NEBULY_API_BASE_URL", one), ("NEBULINK__NEBULY__API_BASE_URL", one)];
    assert!(load_environment(&same).is_ok());
}

#[test]
fn without_a_project_the_message_tells_how_to_set_one() {
    for loaded in
        [load_environment(&[]), load_environment(&[("NEBULY_API_KEY", " ")]), load_file("projects = []", &[])]
    {
        assert_eq!(
            messages(loaded),
            ["projects: no project is set: set NEBULY_API_KEY or NEBULY_API_KEY_FILE in the environment, \
              or [[projects]] in the settings file"]
        );
    }
}
