//! Tasks that run as long as the program. Nothing else below the composition root spawns one.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use metrics::{Counter, Recorder};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// The pause before the first restart of a task; it doubles with each, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Tasks that are restarted when they fail. Dropping this ends them.
pub(super) struct Background {
    tasks: JoinSet<()>,
    recorder: Arc<dyn Recorder + Send + Sync>,
}

impl Background {
    /// Has no tasks yet. Restarts are counted in this recorder.
    pub(super) fn new(recorder: Arc<dyn Recorder + Send + Sync>) -> Self {
        metrics::with_local_recorder(&*recorder, || {
            metrics::describe_counter!(
                "nebulink_background_task_restarts_total",
                "Restarts of a background task that panicked or ended"
            );
        });
        Self { tasks: JoinSet::new(), recorder }
    }

    /// Runs the task that `start` makes. If it panics or ends, which is a defect, `start` makes another after a growing
    /// pause. State that has to outlive a restart belongs to `start`.
    pub(super) fn supervise<F, T>(&mut self, task: &'static str, start: F)
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let restarts = metrics::with_local_recorder(
            &*self.recorder,
            || metrics::counter!("nebulink_background_task_restarts_total", "task" => task),
        );
        self.tasks.spawn(run(task, start, restarts));
    }
}

async fn run<F, T>(task: &'static str, start: F, restarts: Counter)
where
    F: Fn() -> T,
    T: Future<Output = ()>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        let ended = AssertUnwindSafe(async { start().await }).catch_unwind().await;
        if began.elapsed() >= LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        // The message of a panic may hold a secret, so it is not logged; the panic hook has logged the location.
        let reason = if ended.is_err() { "panicked" } else { "ended" };
        tracing::error!(task, reason, ?pause, "background task failed, restarting");
        restarts.increment(1);
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::mpsc;
    use tracing_subscriber::filter::Targets;

    use super::*;
    use crate::telemetry::{LogFormat, MetricsRegistry, subscriber};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn lines(&self) -> Vec<serde_json::Value> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        }
    }

    /// The effects of a task under supervision.
    struct Supervised {
        runs: u32,
        metrics: String,
        log: Vec<serde_json::Value>,
    }

    /// Runs a task under supervision for this time, on a paused clock.
    async fn supervised<T>(start: fn(u32) -> T, time: Duration) -> Supervised
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let log = Log::default();
        let everything = Targets::new().with_default(tracing::Level::TRACE);
        let writer = log.clone();
        let subscriber = subscriber(LogFormat::Json, everything, false, move || writer.clone());
        let _log = tracing::subscriber::set_default(subscriber);
        let registry = MetricsRegistry::new();
        let mut background = Background::new(registry.recorder());
        let runs = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&runs);
        background.supervise("test", move || start(count.fetch_add(1, Ordering::SeqCst)));
        sleep(time).await;
        drop(background);
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&runs), 1, "the task outlives what supervises it");
        let runs = runs.load(Ordering::SeqCst);
        Supervised { runs, metrics: registry.render(), log: log.lines() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_restarted_counted_and_logged_without_the_panics_message() {
        let start = |run| async move {
            assert!(run > 0, "canary");
            std::future::pending::<()>().await;
        };
        let Supervised { runs, metrics, log } = supervised(start, Duration::from_secs(3600)).await;
        assert_eq!(runs, 2);
        assert!(metrics.contains("nebulink_background_task_restarts_total{task=\"test\"} 1\n"), "{metrics}");
        assert_eq!(log.len(), 1, "{log:?}");
        assert!(!log[0].to_string().contains("canary"), "{log:?}");
        assert_eq!((&log[0]["level"], &log[0]["task"]), (&"ERROR".into(), &"test".into()));
        assert_eq!(log[0]["message"], "background task failed, restarting");
        assert_eq!(log[0]["reason"], "panicked");
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_before_the_first_await_is_one_of_the_task() {
        let start = |run| {
            assert!(run > 0, "a defect");
            std::future::pending()
        };
        assert_eq!(supervised(start, Duration::from_secs(2)).await.runs, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_a_task_holds_outlives_its_panic() {
        let (send, receive) = mpsc::unbounded_channel();
        let (report, mut reports) = mpsc::unbounded_channel();
        let receive = Arc::new(tokio::sync::Mutex::new(receive));
        let mut background = Background::new(MetricsRegistry::new().recorder());
        background.supervise("test", move || {
            let (receive, report) = (Arc::clone(&receive), report.clone());
            async move {
                let mut receive = receive.lock().await;
                while let Some(message) = receive.recv().await {
                    assert_ne!(message, 1, "a defect");
                    report.send(message).unwrap();
                }
            }
        });
        for message in 0..3 {
            send.send(message).unwrap();
        }
        assert_eq!((reports.recv().await, reports.recv().await), (Some(0), Some(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_is_restarted() {
        let Supervised { runs, metrics, log } = supervised(|_| async {}, Duration::from_millis(1500)).await;
        assert_eq!((runs, log.len()), (2, 2));
        assert_eq!(log[0]["reason"], "ended");
        assert!(metrics.contains("nebulink_background_task_restarts_total{task=\"test\"} 2\n"), "{metrics}");
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_up_to_a_minute() {
        let runs_within = |seconds| supervised(|_| async {}, Duration::from_secs(seconds));
        // After 1, 3, 7, 15, 31 and 63 seconds, and then each minute.
        for (seconds, runs) in [(2, 2), (4, 3), (30, 5), (62, 6), (122, 7), (124, 8), (3600 + 64, 67)] {
            assert_eq!(runs_within(seconds).await.runs, runs, "{seconds}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ran_for_long_is_restarted_soon() {
        let start = |run| sleep(if run == 6 { LONGEST_PAUSE } else { Duration::ZERO });
        // It fails at 0, 1, 3, 7, 15 and 31 s, runs from 63 to 123 s, and fails again.
        assert_eq!(supervised(start, Duration::from_millis(124_500)).await.runs, 8);
    }
}
