//! The settings file.

use super::*;

#[test]
fn an_unusable_file_is_one_problem_and_the_rest_is_still_checked() {
    let missing = load(&SettingSources {
        config_file: Some("/nowhere/nebulink.toml".into()),
        environment: environment(&[("NEBULINK__CACHE__TTL", "x")]),
        ..SettingSources::default()
    });
    assert_eq!(
        missing.unwrap_err().to_string(),
        "/nowhere/nebulink.toml: cannot be read: No such file or directory (os error 2)\n\
         cache.ttl (environment variable NEBULINK__CACHE__TTL): not a duration such as 15s, 24h or 30d"
    );
    let file = file_with(b"[cache]\nttl = \xff");
    let config_file = Some(file.path().to_owned());
    assert_eq!(
        messages(load(&SettingSources { config_file, ..SettingSources::default() })),
        ["-: not UTF-8"]
    );
}

#[test]
fn a_syntax_error_is_shown_by_line_and_column_alone() {
    for (content, expected) in [
        ("[cache]\nttl = soon\n", "-: not TOML (line 2, column 7)"),
        ("[cache]\nttl = '1h'\nttl = '2h'\n", "-: not TOML (line 3, column 1)"),
        ("[cache", "-: not TOML (line 1, column 7)"),
    ] {
        assert_eq!(messages(load_file(content, &[])), [expected], "{content}");
    }
}

#[test]
fn all_unknown_keys_of_a_file_are_listed_with_suggestions() {
    let content = "
        listen = ':80'
        [cach]
        [cache]
        max-size = '1MiB'
        tttl = '1h'
        deadline = '1s'
        [server.tls]
        [frobnicate]
        x = 1
        [[projects]]
        name = 'a'
        apiKey = 'x'
        api_key_file = '/key'
        [[projects]]
        url = 1
        name = 'b'
        api_key = 'y'";
    assert_eq!(
        messages(load_file(content, &[])),
        [
            "cach: not a setting; did you mean cache?",
            "cache.deadline: not a setting; did you mean nebuly.deadline?",
            "cache.max-size: not a setting; did you mean cache.max_size?",
            "cache.tttl: not a setting; did you mean cache.ttl?",
            "frobnicate: not a setting",
            "listen: not a setting; did you mean server.listen?",
            "projects[0].apiKey: not a setting; did you mean projects[0].api_key?",
            "projects[1].url: not a setting",
            "server.tls: not a setting",
        ]
    );
}

#[test]
fn a_quoted_name_with_a_dot_is_no_setting() {
    assert_eq!(
        messages(load_file("'cache.ttl' = '1h'", &[KEY])),
        ["(a name that is not shown): not a setting"]
    );
}

#[test]
fn wrong_types_of_sections_and_lists_are_problems() {
    let content = "cache = 5\nprojects = 'a'\nserver = []";
    assert_eq!(
        messages(load_file(content, &[])),
        [
            "cache: not a section: write it as [cache]",
            "projects: not a list: write each project as [[projects]]",
            "server: not a section: write it as [server]",
        ]
    );
    assert_eq!(
        messages(load_file("projects = ['key']", &[])),
        ["projects[0]: not a project: write it as [[projects]]"]
    );
}
