//! A hostile peer at work.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::attacks::{Attack, Ending, Pace};

/// The longest that one attack takes.
const AT_MOST: Duration = Duration::from_secs(4);

/// How long a peer that stays waits for more.
const SILENCE: Duration = Duration::from_millis(100);

/// The pause between two drops.
const DRIP: Duration = Duration::from_millis(10);

/// Attacks once, and returns what was answered. The other side may end it at any time.
pub(crate) async fn attack(address: SocketAddr, attack: &Attack, ending: Ending) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answered = Vec::new();
    // It may be refused before it has sent all, or never be answered.
    let _refused = timeout(AT_MOST, exchange(&mut stream, attack, ending, &mut answered)).await;
    if ending == Ending::Resets {
        // Fails if the connection has ended already.
        stream.set_zero_linger().ok();
    }
    answered
}

async fn exchange(
    stream: &mut TcpStream,
    attack: &Attack,
    ending: Ending,
    answered: &mut Vec<u8>,
) -> std::io::Result<()> {
    match attack.pace {
        Pace::AtOnce => stream.write_all(&attack.bytes).await?,
        Pace::Dripping => {
            for drop in attack.bytes.chunks(4) {
                stream.write_all(drop).await?;
                sleep(DRIP).await;
            }
        }
    }
    match ending {
        Ending::Stays => {
            while !matches!(timeout(SILENCE, stream.read_buf(answered)).await, Err(_) | Ok(Ok(0) | Err(_))) {}
        }
        Ending::HalfCloses => {
            stream.shutdown().await?;
            stream.read_to_end(answered).await?;
        }
        Ending::Closes | Ending::Resets => {}
    }
    Ok(())
}
