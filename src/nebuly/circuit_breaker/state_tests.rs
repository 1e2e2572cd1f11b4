//! The circuit breaker over moments that the tests choose.

use proptest::prelude::*;

use super::*;

struct Bench {
    circuit: Circuit,
    now: Instant,
    next_link: u64,
}

impl Bench {
    fn new() -> Self {
        Self { circuit: Circuit::default(), now: Instant::now(), next_link: 0 }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn admit(&mut self) -> Result<Ticket, Duration> {
        self.circuit.admit(self.now)
    }

    fn settle(&mut self, ticket: Ticket, evidence: Evidence) -> Option<Transition> {
        self.next_link += 1;
        self.circuit.settle(ticket, self.next_link, evidence, self.now)
    }

    /// One call for a link of its own.
    #[track_caller]
    fn call(&mut self, evidence: Evidence) -> Option<Transition> {
        let ticket = self.admit().unwrap();
        self.settle(ticket, evidence)
    }

    /// Opens it by failures.
    fn open(&mut self) {
        for _ in 0..ENOUGH_LINKS {
            self.call(Evidence::Outage);
        }
        assert!(self.circuit.is_open());
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn it_opens_when_ten_links_failed_and_they_are_half_of_all() {
    let mut bench = Bench::new();
    for _ in 0..10 {
        assert_eq!(bench.call(Evidence::Answered), None);
    }
    for _ in 0..9 {
        assert_eq!(bench.call(Evidence::Outage), None);
    }
    assert_eq!(bench.call(Evidence::Outage), Some(Transition::Opened(SECOND * 5)));
    assert_eq!(bench.admit(), Err(SECOND * 5));
    bench.pass(2);
    assert_eq!(bench.admit(), Err(SECOND * 3));
}

#[test]
fn fewer_than_half_or_fewer_than_ten_failures_do_not_open_it() {
    let mut bench = Bench::new();
    for _ in 0..9 {
        assert_eq!(bench.call(Evidence::Outage), None);
    }
    bench.pass(10);
    // Nine failed, but too long ago.
    for _ in 0..20 {
        for evidence in [Evidence::Answered, Evidence::Answered, Evidence::Outage] {
            assert_eq!(bench.call(evidence), None);
        }
    }
}

#[test]
fn one_link_counts_once_with_its_latest_outcome() {
    let mut bench = Bench::new();
    for _ in 0..50 {
        for link in 0..9 {
            let ticket = bench.admit().unwrap();
            assert_eq!(bench.circuit.settle(ticket, link, Evidence::Outage, bench.now), None);
        }
    }
    for link in 0..9 {
        let ticket = bench.admit().unwrap();
        assert_eq!(bench.circuit.settle(ticket, link, Evidence::Answered, bench.now), None);
    }
    let ticket = bench.admit().unwrap();
    assert_eq!(bench.circuit.settle(ticket, 9, Evidence::Outage, bench.now), None);
}

#[test]
fn a_429_opens_it_at_once_for_as_long_as_it_says() {
    for (asked, pause) in
        [(Some(SECOND * 7), 7), (Some(Duration::ZERO), 1), (Some(SECOND * 9999), 300), (None, 5)]
    {
        let mut bench = Bench::new();
        assert_eq!(bench.call(Evidence::Throttled(asked)), Some(Transition::Opened(SECOND * pause)));
        bench.pass(u64::from(pause - 1));
        assert_eq!(bench.admit(), Err(SECOND));
        bench.pass(1);
        assert_eq!(bench.call(Evidence::Answered), Some(Transition::Closed));
    }
}

#[test]
fn a_second_429_makes_the_pause_longer_and_never_shorter() {
    let mut bench = Bench::new();
    let [first, second, third] = [(); 3].map(|()| bench.admit().unwrap());
    bench.settle(first, Evidence::Throttled(Some(SECOND * 10)));
    assert_eq!(bench.settle(second, Evidence::Throttled(Some(SECOND * 30))), None);
    bench.settle(third, Evidence::Throttled(Some(SECOND)));
    assert_eq!(bench.admit(), Err(SECOND * 30));
}

#[test]
fn after_the_pause_exactly_one_call_is_admitted() {
    let mut bench = Bench::new();
    bench.open();
    bench.pass(5);
    let probe = bench.admit().unwrap();
    bench.pass(100);
    assert_eq!(bench.admit(), Err(Duration::ZERO));
    assert_eq!(bench.settle(probe, Evidence::Answered), Some(Transition::Closed));
    assert!(bench.admit().is_ok());
}

#[test]
fn each_failed_probe_makes_the_pause_longer_up_to_a_minute_and_an_answer_makes_it_short_again() {
    let mut bench = Bench::new();
    bench.open();
    bench.pass(5);
    for pause in [10, 20, 40, 60, 60] {
        assert_eq!(bench.call(Evidence::Outage), Some(Transition::Reopened(Duration::from_secs(pause))));
        bench.pass(pause - 1);
        assert_eq!(bench.admit(), Err(SECOND));
        bench.pass(1);
    }
    bench.call(Evidence::Answered);
    bench.open();
    assert_eq!(bench.admit(), Err(SECOND * 5));
}

#[test]
fn after_an_abandoned_probe_the_next_call_is_the_probe() {
    let mut bench = Bench::new();
    bench.open();
    bench.pass(5);
    for _ in 0..3 {
        let probe = bench.admit().unwrap();
        bench.circuit.abandon(probe, bench.now);
        // Once is enough.
        bench.circuit.abandon(probe, bench.now);
    }
    assert_eq!(bench.call(Evidence::Answered), Some(Transition::Closed));
}

#[test]
fn a_late_outcome_changes_nothing() {
    let mut bench = Bench::new();
    let [late, later, latest] = [(); 3].map(|()| bench.admit().unwrap());
    bench.open();
    assert_eq!(bench.settle(late, Evidence::Answered), None);
    assert_eq!(bench.circuit.refusal(latest, bench.now), Some(SECOND * 5));
    bench.pass(5);
    let probe = bench.admit().unwrap();
    assert_eq!(bench.settle(later, Evidence::Outage), None);
    bench.circuit.abandon(late, bench.now);
    assert!(bench.admit().is_err(), "the probe is still on its way");
    assert_eq!(bench.settle(probe, Evidence::Answered), Some(Transition::Closed));
    assert_eq!(bench.settle(probe, Evidence::Outage), None);
    assert_eq!(bench.circuit.refusal(latest, bench.now), None);
}

#[test]
fn an_abandoned_call_counts_as_nothing() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        let ticket = bench.admit().unwrap();
        bench.circuit.abandon(ticket, bench.now);
    }
    assert!(!bench.circuit.is_open());
    assert!(bench.circuit.links.outcomes.is_empty());
}

#[test]
fn no_more_links_than_the_bound_are_remembered() {
    let mut links = RecentLinks::default();
    let now = Instant::now();
    for link in 0..20_000 {
        links.record(link, link % 3 == 0, now);
    }
    assert_eq!((links.outcomes.len(), links.entries.len()), (MAX_LINKS, MAX_LINKS));
    assert_eq!(links.failed, links.outcomes.values().filter(|(_, failed)| *failed).count());
    links.record(0, false, now + WINDOW);
    assert_eq!((links.outcomes.len(), links.entries.len(), links.failed), (1, 1, 0));
}

#[derive(Debug, Clone)]
enum Step {
    Admit,
    Settle(usize, Evidence),
    Abandon(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let evidence = prop_oneof![
        2 => Just(Evidence::Answered),
        4 => Just(Evidence::Outage),
        1 => prop::option::of((0..400_u64).prop_map(Duration::from_secs)).prop_map(Evidence::Throttled),
    ];
    prop_oneof![
        6 => Just(Step::Admit),
        4 => (any::<usize>(), evidence).prop_map(|(index, evidence)| Step::Settle(index, evidence)),
        1 => any::<usize>().prop_map(Step::Abandon),
        2 => (0..30_u64).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn it_never_stays_open_forever_and_never_has_two_probes(steps in prop::collection::vec(step(), 1..300)) {
        let mut bench = Bench::new();
        let mut underway: Vec<Ticket> = Vec::new();
        for step in steps {
            match step {
                Step::Admit => underway.extend(bench.admit()),
                Step::Settle(index, evidence) if !underway.is_empty() => {
                    let ticket = underway.remove(index % underway.len());
                    bench.settle(ticket, evidence);
                }
                Step::Abandon(index) if !underway.is_empty() => {
                    let ticket = underway.remove(index % underway.len());
                    bench.circuit.abandon(ticket, bench.now);
                }
                Step::Settle(..) | Step::Abandon(_) => {}
                Step::Pass(seconds) => bench.pass(seconds),
            }
            if bench.circuit.state == CircuitState::HalfOpen {
                let probes = underway.iter().filter(|ticket| bench.circuit.is_current(**ticket)).count();
                prop_assert_eq!(probes, 1);
            }
        }
        for ticket in underway {
            bench.circuit.abandon(ticket, bench.now);
        }
        bench.pass(300);
        bench.call(Evidence::Answered);
        prop_assert!(!bench.circuit.is_open());
    }
}
