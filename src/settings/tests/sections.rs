//! Settings of each section, and rules between them.

use super::*;

#[test]
fn the_base_path_is_a_prefix_of_routes() {
    for (text, path) in [("", ""), ("/", ""), ("/nebuly", "/nebuly"), ("/a/b-c.d_e~f/", "/a/b-c.d_e~f")] {
        assert_eq!(accepted("server.base_path", text).server.base_path, path);
    }
    let message = "not a path such as /nebuly, of letters, digits, hyphens, dots, underscores and tildes";
    let values = ["nebuly", "//", "/a//b", "/a/../b", "/.", "/a b", "/{x}", "/%61", "/a?b", "/ä"];
    each_is_refused("server.base_path", message, &values);
}

#[test]
fn the_public_url_is_complete_and_ends_with_the_base_path() {
    let load = |url, path| load_with_both(("server.public_url", url), ("server.base_path", path));
    for (url, path) in [
        ("https://go.example/nebuly", "/nebuly"),
        ("https://go.example/a/nebuly/", "/nebuly/"),
        ("https://go.example/a", "/"),
    ] {
        assert!(load(url, path).is_ok(), "{url} {path}");
    }
    let message =
        "server.public_url: server.public_url is complete, so its path must end with server.base_path";
    for url in ["https://go.example", "https://go.example/my-nebuly", "https://go.example/nebuly/a"] {
        assert_eq!(messages(load(url, "/nebuly")), [message], "{url}");
    }
}

#[test]
fn a_contact_is_a_link_or_a_short_text() {
    for text in [
        "https://help.example/?a=b",
        "mailto:help@example.com",
        "Service desk, ext. 77: ask for Ada",
        "Hilfe ☎ 7",
    ] {
        assert_eq!(accepted("server.contact", text).server.contact.as_deref(), Some(text));
    }
    let message = "not an address such as https://help.example or mailto:help@example.com, or a short text";
    let values = ["https://", "https:x", "https://a b", "mailto:", "mailto:a@b c", "a\nb", &"x".repeat(257)];
    each_is_refused("server.contact", message, &values);
}

#[test]
fn proxies_are_addresses_or_ranges() {
    let proxies = accepted("server.trusted_proxies", "10.0.0.7,10.1.0.0/16,fd00::/8").server.trusted_proxies;
    assert_eq!(proxies, ["10.0.0.7/32", "10.1.0.0/16", "fd00::/8"].map(|range| range.parse().unwrap()));
    each_is_refused(
        "server.trusted_proxies",
        "item 2: not an address or range such as 10.0.0.7 or 10.0.0.0/24",
        &["10.0.0.1,ingress", "10.0.0.1,10.0.0.0/33", "10.0.0.1, *"],
    );
    assert_eq!(
        messages(load_file("[server]\ntrusted_proxies = [10]", &[KEY])),
        ["server.trusted_proxies: not a list of texts in quotes"]
    );
}

#[test]
fn base_urls_are_plain_and_lose_their_trailing_slash() {
    for (text, url) in [
        ("https://nebuly.example", "https://nebuly.example/"),
        ("https://nebuly.example/api/external/", "https://nebuly.example/api/external"),
        ("https://nebuly.example:8443//", "https://nebuly.example:8443/"),
        ("http://localhost:9000/api", "http://localhost:9000/api"),
        ("http://127.0.0.2:1", "http://127.0.0.2:1/"),
        ("http://[::1]:1", "http://[::1]:1/"),
    ] {
        assert_eq!(accepted("nebuly.api_base_url", text).nebuly.api_base_url.as_str(), url);
        assert_eq!(accepted("nebuly.platform_url", text).nebuly.platform_url.as_str(), url);
        assert_eq!(accepted("server.public_url", text).server.public_url.unwrap().as_str(), url);
    }
    for key in ["nebuly.api_base_url", "nebuly.platform_url", "server.public_url"] {
        let no_url = [
            "nebuly.example",
            "https:nebuly.example",
            "https:/nebuly.example",
            "https://",
            "ftp://nebuly.example",
            "https://neb uly.example",
            "https://nebuly.example\\x",
            "https://nebuly\t.example",
            "HTTPS://nebuly.example",
        ];
        each_is_refused(key, "not a URL such as https://nebuly.example", &no_url);
        let user = [
            "https://user@nebuly.example",
            "https://user:pw@nebuly.example",
            "https://:pw@nebuly.example",
            "https://@nebuly.example",
            "https://user:1/pw@nebuly.example",
        ];
        each_is_refused(key, "must not hold a user or a password", &user);
        let more = ["https://nebuly.example?a=b", "https://nebuly.example/?", "https://nebuly.example/#a"];
        each_is_refused(key, "must not have a query or a fragment", &more);
    }
    each_is_refused("nebuly.api_base_url", "not a URL such as https://nebuly.example", &[""]);
    assert_eq!(
        accepted("server.public_url", "http://go.example/x").server.public_url.unwrap().as_str(),
        "http://go.example/x"
    );
}

#[test]
fn keys_are_sent_unencrypted_only_if_allowed() {
    each_is_refused(
        "nebuly.api_base_url",
        "must be https: http would send the keys in clear (nebuly.allow_http = true allows it)",
        &["http://nebuly.example", "http://localhost.example", "http://10.0.0.1", "http://[::2]"],
    );
    let url = ("NEBULINK__NEBULY__API_BASE_URL", "http://nebuly.example");
    assert!(load_environment(&[KEY, url, ("NEBULINK__NEBULY__ALLOW_HTTP", "true")]).is_ok());
    each_is_refused("nebuly.platform_url", "must be https", &["http://nebuly.example"]);
}

#[test]
fn the_front_end_is_always_an_allowed_host() {
    let nebuly = accepted("nebuly.platform_url", "https://nebuly.example:8443").nebuly;
    assert_eq!(nebuly.allowed_hosts.to_string(), "*.nebuly.com, nebuly.example:8443");
    each_is_refused(
        "nebuly.allowed_hosts",
        "item 2: not a host such as nebuly.example, *.nebuly.example or nebuly.example:8443",
        &["a.example,*", "a.example,https://b.example", "a.example,user:pw@b.example"],
    );
}

#[test]
fn certificates_must_be_readable_files() {
    let file = file_with(b"");
    let path = file.path().to_str().unwrap();
    for key in ["nebuly.ca_file", "shared_cache.ca_file", "access.api_tokens_file"] {
        accepted(key, path);
        accepted(key, "");
        let missing = "the file cannot be read: No such file or directory (os error 2)";
        each_is_refused(key, missing, &["/nowhere/ca.pem"]);
        each_is_refused(key, "the file cannot be read: not a regular file", &["/", "/dev/zero"]);
    }
}

#[test]
fn proxy_urls() {
    let proxy = |text| load_with("nebuly.proxy", text).map(|loaded| effective(&loaded, "nebuly.proxy"));
    assert_eq!(proxy("http://proxy.example:3128").unwrap(), "http://proxy.example:3128");
    assert_eq!(proxy("https://user:pw@proxy.example/").unwrap(), "https://proxy.example");
    assert_eq!(proxy("").unwrap(), "(not set)");
    let no_url = "not a URL such as http://proxy.example:3128, without path, query and fragment \
                  (in a password, write / ? # @ as %2F %3F %23 %40)";
    let values =
        ["proxy.example:3128", "socks5://h", "http://", "http://h/x", "http://h?x", "http://u:1#pw@h"];
    each_is_refused("nebuly.proxy", no_url, &values);
}

#[test]
fn shared_cache_urls() {
    let shown = |key, value: &str| effective(&load_with(key, value).unwrap(), key);
    assert_eq!(
        shown("shared_cache.url", "rediss://user:pw@cache.example:6380/0"),
        "rediss://cache.example:6380"
    );
    let no_url = "not a URL such as redis://cache.example:6379/0, without fragment \
                  (in a password, write / ? # @ as %2F %3F %23 %40)";
    let values = [
        "cache:6379",
        "http://cache",
        "redis://",
        "unix:///x",
        "redis+unix:///x",
        "rediss://cache/#insecure",
        "redis://cache#",
        "redis://user:1/pw@cache",
        "redis://user:1?pw@cache",
    ];
    each_is_refused("shared_cache.url", no_url, &values);

    let file = file_with(b" redis://:pw@cache\n");
    let path = file.path().to_str().unwrap();
    assert!(accepted("shared_cache.url_file", path).shared_cache.url.is_some());
    assert_eq!(shown("shared_cache.url_file", path), path);
    let both =
        [KEY, ("NEBULINK__SHARED_CACHE__URL", "redis://h"), ("NEBULINK__SHARED_CACHE__URL_FILE", path)];
    assert_eq!(
        messages(load_environment(&both)),
        ["shared_cache.url: set beside shared_cache.url_file: keep one of the two"]
    );
    for (content, message) in [
        (b"".as_slice(), format!("the file's content: {no_url}")),
        (b"rediss://cache/#insecure", format!("the file's content: {no_url}")),
        (b"redis://\xff", "the file's content is not UTF-8".to_owned()),
    ] {
        let file = file_with(content);
        each_is_refused("shared_cache.url_file", &message, &[file.path().to_str().unwrap()]);
    }
    each_is_refused(
        "shared_cache.url_file",
        "the file cannot be read: No such file or directory (os error 2)",
        &["/nowhere/url"],
    );
}

#[test]
fn key_prefixes_are_short_and_printable() {
    assert_eq!(accepted("shared_cache.key_prefix", "").shared_cache.key_prefix, "");
    let message = "not 0 to 128 printable ASCII characters without white space";
    each_is_refused("shared_cache.key_prefix", message, &["a b", "ä", &"x".repeat(129)]);
}

#[test]
fn identity_headers_are_header_names() {
    let access = accepted("access.identity_header", "X-Auth-Request-Email").access;
    assert_eq!(access.identity_header.unwrap(), "x-auth-request-email");
    each_is_refused(
        "access.identity_header",
        "not the name of a header such as x-auth-request-email",
        &["a b", "x:"],
    );
}

#[track_caller]
fn warnings(variables: &[(&str, &str)]) -> Vec<String> {
    let loaded = load_environment(&[&[KEY], variables].concat()).unwrap();
    loaded.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn probable_mistakes_are_warnings() {
    let header = ("NEBULINK__ACCESS__IDENTITY_HEADER", "x-auth-request-email");
    let proxies = |ranges| ("NEBULINK__SERVER__TRUSTED_PROXIES", ranges);
    assert_eq!(
        warnings(&[header]),
        ["access.identity_header (environment variable NEBULINK__ACCESS__IDENTITY_HEADER): set without \
          server.trusted_proxies: the header is not trusted from anybody, so nobody gets in"]
    );
    assert!(warnings(&[header, proxies("10.0.0.0/16,fd00:1:2::/48,::ffff:10.0.0.0/112,::1")]).is_empty());
    let wide = |item| {
        format!(
            "server.trusted_proxies (environment variable NEBULINK__SERVER__TRUSTED_PROXIES): item {item} is wider than \
             /16 (IPv6: /48): whoever is in it can take any identity and any address"
        )
    };
    let ranges = "10.0.0.0/8,10.0.0.1,fd00::/8,::ffff:10.0.0.0/104,0.0.0.0/0,::/0";
    assert_eq!(warnings(&[proxies(ranges)]), [1, 3, 4, 5, 6].map(wide));
    let own = ("NEBULY_API_BASE_URL", "https://nebuly.example");
    assert_eq!(
        warnings(&[own]),
        [
            "nebuly.platform_url (default): not set beside a nebuly.api_base_url that is not Nebuly's own: links lead to \
          your own front end only if nebuly.platform_url or nebuly.allowed_hosts names its host"
        ]
    );
    assert!(warnings(&[own, ("NEBULINK__NEBULY__PLATFORM_URL", "https://nebuly.example")]).is_empty());

    let details = ("NEBULINK__PREVIEW__DETAILS", "true");
    assert_eq!(
        warnings(&[details]),
        [
            "preview.details (environment variable NEBULINK__PREVIEW__DETAILS): set without access.identity_header: \
          everybody who can reach the port sees the details of all items"
        ]
    );
    assert!(warnings(&[details, header, proxies("10.0.0.0/16")]).is_empty());
    let file = "[[projects]]\nname = 'a'\nproject_id = 'p'\norganization_id = 'o'\n[preview]\ndetails = true\n\
                [nebuly]\nresolve = 'construct'";
    let loaded = load_file(file, &[]).unwrap();
    assert_eq!(loaded.warnings.len(), 1);
    assert_eq!(
        loaded.warnings[0].to_string().split_once("): ").unwrap().1,
        "has no effect with nebuly.resolve = construct, which never calls Nebuly"
    );
    let loaded =
        load_file(&file.replace("[preview]\ndetails = true", "[lookup]\ntags = ['ticket']"), &[]).unwrap();
    assert!(loaded.warnings[0].to_string().starts_with("lookup.tags ("), "{:?}", loaded.warnings);
    assert!(warnings(&[("NEBULY_API_BASE_URL", "https://eu.backend.nebuly.com/api")]).is_empty());
}

#[test]
fn origins_are_exact() {
    let origins =
        accepted("access.cors_origins", "https://tools.example,http://localhost:3000").access.cors_origins;
    assert_eq!(origins, ["https://tools.example", "http://localhost:3000"]);
    let every = "item 1: * and null would let every page in: name each origin";
    each_is_refused("access.cors_origins", every, &["*", "null"]);
    let message = "item 1: not an origin such as https://tools.example, in lower case, with nothing behind host and port";
    let values = [
        "tools.example",
        "https://tools.example/",
        "https://Tools.example",
        "https://tools.example:443",
        "https://*.tools.example/x",
        "https://user:pw@tools.example",
        "file://x",
    ];
    each_is_refused("access.cors_origins", message, &values);
}

#[test]
fn tags_and_fields_are_names() {
    assert_eq!(accepted("lookup.tags", "Ticket ID,größe").lookup.tags, ["Ticket ID", "größe"]);
    let message = "item 1: not the name of a tag: 1 to 128 bytes without slash or control character";
    each_is_refused("lookup.tags", message, &["a/b", ".", "..", "a\u{7}b", &"x".repeat(129)]);
    assert_eq!(accepted("preview.fields", "topic,intent").preview.fields, ["topic", "intent"]);
    let message = "item 1: not 1 to 64 printable ASCII characters without white space";
    each_is_refused("preview.fields", message, &["a b", &"x".repeat(65)]);
}

#[test]
fn a_misspelt_level_is_refused() {
    let level = |text| accepted("log.level", text).log.level;
    assert_eq!(level("debug"), "debug".parse().unwrap());
    assert_eq!(
        level("warn, nebulink::web=trace,hyper=off"),
        "warn,nebulink::web=trace,hyper=off".parse().unwrap()
    );
    let message =
        "not off, error, warn, info, debug or trace, or target=level for one part, separated by commas";
    let values = ["", "inof", "info,", "hyper", "hyper=", "=info", "hyper=inof", "a[b]=info", "a=b=info"];
    each_is_refused("log.level", message, &values);
}
