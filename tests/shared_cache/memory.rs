//! Memory stays flat whatever the server of the shared cache holds or sends, and every link is answered.

use std::time::Duration;

use crate::support::own_process::{in_own_process, memory_bytes};
use crate::support::{KEY, Nebulink, eventually, settings, stand_in};
use nebulink::domain::Scope;
use redis::cmd;
use tokio::task::JoinSet;

use crate::hostile_server::{Attack, HostileServer};
use crate::replica::{PREFIX, Replica, conversation, link};
use crate::support::redis_server::RedisServer;

/// How many callers ask at once: each would read a whole value.
const CALLERS: usize = 4;

/// How many bytes of memory noise may take, against the 100 MB and more that would be read.
const FLAT: u64 = 20 << 20;

/// How many links are asked for while a server attacks: enough for its breaker to open.
const LINKS: usize = 20;

/// Links of which each is asked for once do without the limit of a caller.
const UNLIMITED: [(&str, &str); 2] =
    [("limits.cold_per_second", "1000000"), ("limits.cold_burst", "1000000")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_the_server_holds_or_sends_memory_stays_flat_and_sharing_recovers() {
    // What other tests do takes memory, too.
    if !in_own_process(whatever_the_server_holds_or_sends_memory_stays_flat_and_sharing_recovers) {
        return;
    }
    let Some(server) = RedisServer::start(&[]).await else { return };
    a_value_of_100_megabytes_is_not_read(&server).await;
    a_hostile_server_is_cut_off(&server).await;
}

async fn a_value_of_100_megabytes_is_not_read(server: &RedisServer) {
    let replica = Replica::on(&server.url());
    let item = conversation("abc");
    replica.share(Scope::All, &item, &link(0, "abc")).await;
    let [key]: [String; 1] =
        server.command::<Vec<_>>(cmd("KEYS").arg(format!("{PREFIX}*"))).await.try_into().unwrap();
    let _length: u64 = server.command(cmd("SETRANGE").arg(&key).arg(100_000_000).arg("x")).await;
    let before = memory_bytes("VmHWM");
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (replica, item) = (replica.clone(), item.clone());
        callers.spawn(async move {
            for _ in 0..20 {
                assert_eq!(replica.get(Scope::All, &item).await, []);
            }
        });
    }
    callers.join_all().await;
    let grown = memory_bytes("VmHWM") - before;
    assert!(grown < FLAT, "{grown}");
    assert_eq!(replica.unanswered(), 0);
    let _deleted: u64 = server.command(cmd("DEL").arg(&key)).await;
}

async fn a_hostile_server_is_cut_off(honest: &RedisServer) {
    let stand_in = stand_in().await;
    let hostile = HostileServer::before(honest.port()).await;
    let mut replicas = Vec::new();
    for (number, attack) in Attack::ALL.into_iter().enumerate() {
        hostile.attack_by(attack);
        let mut settings = settings(&stand_in, &UNLIMITED);
        settings.shared_cache.url = Some(hostile.url().into());
        let nebulink = Nebulink::start_with(&settings).await;
        let before = memory_bytes("VmHWM");
        for link in 0..LINKS {
            let id = format!("{number}-{link}");
            stand_in.add_conversation(KEY, &id);
            let answer = nebulink.get(&format!("/c/{id}")).await;
            assert_eq!(answer.status, 302, "{attack:?}: {answer:?}");
        }
        // An attack goes on until nebulink closes its connection.
        eventually(async || hostile.attacks() >= 1 && hostile.running() == 0).await;
        let grown = memory_bytes("VmHWM") - before;
        assert!(grown < FLAT, "{attack:?}: {grown}");
        replicas.push((attack, nebulink));
    }
    hostile.be_honest();
    let size = async || honest.command::<usize>(&cmd("DBSIZE")).await;
    for (attack, nebulink) in replicas {
        let (before, mut link) = (size().await, 0);
        eventually(async || {
            let id = format!("recovered-{attack:?}-{link}");
            link += 1;
            stand_in.add_conversation(KEY, &id);
            assert_eq!(nebulink.get(&format!("/c/{id}")).await.status, 302);
            tokio::time::sleep(Duration::from_millis(10)).await;
            size().await > before
        })
        .await;
    }
}
