//! Sharing: a link that one replica has resolved is a hit for the others.

use std::io::Write as _;

use nebulink::cache::SharedCacheOptions;
use nebulink::domain::Scope;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use redis::cmd;
use tempfile::{NamedTempFile, TempDir};

use crate::replica::{LIFETIMES, PREFIX, Replica, conversation, link, options, project};
use crate::support::eventually;
use crate::support::redis_server::RedisServer;

#[tokio::test]
async fn what_one_replica_resolved_another_knows() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let (one, other) = (Replica::on(&server.url()), Replica::on(&server.url()));
    let item = conversation("abc");
    assert_eq!(other.get(Scope::All, &item).await, []);
    one.share(Scope::All, &item, &link(1, "x")).await;

    let known = other.get(Scope::All, &item).await;
    assert_eq!(known, one.get(Scope::All, &item).await);
    let [known] = &known[..] else { panic!("{known:?}") };
    assert_eq!((known.url.as_str(), known.project), ("https://go.nebuly.com/x", project(1)));
    assert_eq!((other.count("get", "miss"), other.count("get", "hit")), (1, 1));
    eventually(async || one.count("put", "ok") > 0).await;
    assert_eq!(other.unanswered() + one.unanswered(), 0);
}

#[tokio::test]
async fn a_link_is_kept_for_both_lifetimes_and_never_longer() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let replica = Replica::on(&server.url());
    replica.share(Scope::All, &conversation("abc"), &link(0, "x")).await;
    let [key]: [String; 1] = keys(&server).await.try_into().unwrap();
    let hash = key.strip_prefix(PREFIX).unwrap();
    assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");

    let left: u128 = server.command(cmd("PTTL").arg(&key)).await;
    let whole = (LIFETIMES.ttl + LIFETIMES.stale).as_millis();
    assert!(left <= whole && left > whole / 10 * 9, "{left}");
}

#[tokio::test]
async fn a_link_that_is_of_no_use_any_more_is_neither_written_nor_believed() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let replica = Replica::on(&server.url());
    let item = conversation("abc");
    replica.share(Scope::All, &item, &link(0, "x")).await;
    let mut short = options(&server.url());
    short.lifetimes.ttl = std::time::Duration::ZERO;
    short.lifetimes.stale = std::time::Duration::ZERO;
    let short = Replica::with(short);
    assert_eq!(short.get(Scope::All, &item).await, []);
    short.put(Scope::All, &item, link(0, "x"));
    assert_eq!((short.count("get", "miss"), short.count("put", "skipped")), (1, 1));
}

#[tokio::test]
async fn what_was_found_for_a_named_project_is_seen_by_nobody_else() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let replica = Replica::on(&server.url());
    let item = conversation("abc");
    let named = Scope::Only(project(1));
    replica.share(named, &item, &link(1, "named")).await;
    assert_eq!(replica.get(Scope::All, &item).await, []);
    assert_eq!(replica.get(Scope::Only(project(0)), &item).await, []);
    assert_eq!(replica.get(Scope::Only(project(99)), &item).await, []);
}

#[tokio::test]
async fn who_names_a_project_has_the_younger_of_what_is_known_of_it() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let replica = Replica::on(&server.url());
    let named = Scope::Only(project(1));
    for (id, of_all, of_named, expected) in
        [("abc", 2000, 1000, "all"), ("def", 1000, 2000, "named"), ("ghi", 1000, 1000, "named")]
    {
        let item = conversation(id);
        let mut all = link(1, "all");
        let mut only = link(1, "named");
        // From the same moment, so that only what is taken off makes a difference.
        only.resolved_at = all.resolved_at;
        for (link, later) in [(&mut all, of_all), (&mut only, of_named)] {
            let millis = link.resolved_at.as_millis() - 5000 + later;
            link.resolved_at = nebulink::domain::Timestamp::from_millis(millis);
        }
        replica.put(Scope::All, &item, all);
        let written = replica.count("put", "ok") + 2;
        replica.put(named, &item, only);
        eventually(async || replica.count("put", "ok") == written).await;
        let known = replica.get(named, &item).await;
        let urls: Vec<_> = known.iter().map(|link| link.url.as_str()).collect();
        assert_eq!(urls, [format!("https://go.nebuly.com/{expected}")]);
    }
}

#[tokio::test]
async fn each_project_that_knows_an_item_is_named() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let replica = Replica::on(&server.url());
    let item = conversation("abc");
    for position in [0, 2] {
        replica.put(Scope::All, &item, link(position, "x"));
    }
    eventually(async || {
        let known = replica.get(Scope::All, &item).await;
        known.iter().map(|link| link.project).collect::<Vec<_>>() == [project(0), project(2)]
    })
    .await;
}

#[tokio::test]
async fn installations_on_the_same_server_never_meet() {
    let Some(server) = RedisServer::start(&[]).await else { return };
    let item = conversation("abc");
    Replica::on(&server.url()).share(Scope::All, &item, &link(0, "x")).await;
    let of_another_api =
        SharedCacheOptions { api_base_url: "https://other.example".to_owned(), ..options(&server.url()) };
    let of_another_prefix = SharedCacheOptions { key_prefix: String::new(), ..options(&server.url()) };
    for other in [of_another_api, of_another_prefix] {
        let other = Replica::with(other);
        assert_eq!(other.get(Scope::All, &item).await, []);
        assert_eq!(other.count("get", "miss"), 1);
    }
}

#[tokio::test]
async fn a_password_and_a_database_of_the_url_are_used() {
    let Some(server) = RedisServer::start(&["--requirepass", "p/w@x"]).await else { return };
    let port = server.port();
    let url = format!("redis://:p%2Fw%40x@127.0.0.1:{port}");
    let replica = Replica::on(&format!("{url}/3"));
    replica.share(Scope::All, &conversation("abc"), &link(0, "x")).await;
    for (database, expected) in [(0, 0), (3, 1)] {
        let mut connection = RedisServer::connect(&format!("{url}/{database}")).await;
        let size: u64 = cmd("DBSIZE").query_async(&mut connection).await.unwrap();
        assert_eq!(size, expected, "{database}");
    }
    let without = Replica::on(&server.url());
    assert_eq!(without.get(Scope::All, &conversation("abc")).await, []);
    assert_eq!(without.count("get", "failed"), 1);
}

#[tokio::test]
async fn a_user_of_the_url_is_used_and_needs_only_to_read_and_write_its_own_keys() {
    let rules = "on >pw ~nebulink:* resetchannels -@all +getrange +set";
    let arguments: Vec<_> = ["--user", "links"].into_iter().chain(rules.split(' ')).collect();
    let Some(server) = RedisServer::start(&arguments).await else { return };
    let port = server.port();
    let replica = Replica::on(&format!("redis://links:pw@127.0.0.1:{port}"));
    replica.share(Scope::All, &conversation("abc"), &link(0, "x")).await;
    let other = Replica::on(&format!("redis://links:other@127.0.0.1:{port}"));
    assert_eq!(other.get(Scope::All, &conversation("abc")).await, []);
    assert_eq!(other.count("get", "failed"), 1);
}

#[tokio::test]
async fn tls_is_spoken_with_servers_whose_authority_is_known_and_with_no_others() {
    let authority = Authority::new();
    let files = authority.server_files(&["localhost", "127.0.0.1"]);
    let path = |name| files.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let arguments = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-auth-clients", "no"];
    let ca = authority.file();
    let ca_path = ca.path().to_str().unwrap();
    let arguments = [&arguments[..], &["--tls-ca-cert-file", ca_path]].concat();
    let Some(server) = RedisServer::start_with_tls(&arguments).await else { return };
    let item = conversation("abc");
    let with = |host: &str, authorities: Option<&str>| {
        let mut options = options(&format!("rediss://{host}:{}", server.port()));
        options.certificate_authorities = authorities.map(|pem| pem.as_bytes().to_vec());
        Replica::with(options)
    };
    for host in ["127.0.0.1", "localhost"] {
        with(host, Some(&authority.pem)).share(Scope::All, &item, &link(0, "x")).await;
    }
    for distrusting in [with("127.0.0.1", None), with("127.0.0.1", Some(&Authority::new().pem))] {
        assert_eq!(distrusting.get(Scope::All, &item).await, []);
        assert_eq!(distrusting.count("get", "failed"), 1);
    }
}

#[tokio::test]
async fn a_certificate_for_another_host_is_not_taken() {
    let authority = Authority::new();
    let files = authority.server_files(&["other.example"]);
    let path = |name| files.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let ca = authority.file();
    let ca_path = ca.path().to_str().unwrap();
    let arguments = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", ca_path];
    let Some(server) = RedisServer::start_with_tls(&arguments).await else { return };
    let mut options = options(&format!("rediss://127.0.0.1:{}", server.port()));
    options.certificate_authorities = Some(authority.pem.into_bytes());
    let replica = Replica::with(options);
    assert_eq!(replica.get(Scope::All, &conversation("abc")).await, []);
    assert_eq!(replica.count("get", "failed"), 1);
}

async fn keys(server: &RedisServer) -> Vec<String> {
    server.command(cmd("KEYS").arg("*")).await
}

/// A certificate authority of one test's own.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    fn file(&self) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(self.pem.as_bytes()).unwrap();
        file
    }

    /// A folder with `certificate.pem` and `key.pem` of a server.
    fn server_files(&self, names: &[&str]) -> TempDir {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("certificate.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        folder
    }
}
