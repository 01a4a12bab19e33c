//! The breaker in time: openings, probes and backoffs.

use super::*;

fn machine(give_up_after: Option<u32>) -> Machine {
    Machine::new(BreakerSettings {
        give_up_after,
        ..BreakerSettings::default()
    })
}

fn opened(machine: &mut Machine) -> Opened {
    let now = Instant::now();
    (0..10).find_map(|_| machine.failed(now)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn it_opens_after_failures_in_a_row_and_a_success_between_them_starts_the_count_again() {
    let mut machine = machine(None);
    for _ in 0..9 {
        assert_eq!(machine.failed(Instant::now()), None);
    }
    machine.succeeded();
    for _ in 0..9 {
        assert_eq!(machine.failed(Instant::now()), None);
    }
    assert_eq!(machine.ask(Instant::now()), Answer::Go);
    let opened = machine.failed(Instant::now()).unwrap();
    assert_eq!((opened.backoff.as_millis(), opened.consecutive), (500, 1));
    assert_eq!(machine.number(), 1);
}

#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time_is_let_through_and_only_after_the_backoff() {
    let mut machine = machine(None);
    opened(&mut machine);
    tokio::time::advance(Duration::from_millis(499)).await;
    assert_eq!(
        machine.ask(Instant::now()),
        Answer::Wait(Duration::from_millis(1))
    );
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(machine.ask(Instant::now()), Answer::Probe);
    assert_eq!(machine.ask(Instant::now()), Answer::Wait(WHILE_PROBING));
    assert_eq!(machine.number(), 2);
    // Statements that began before it opened do not count.
    machine.succeeded();
    assert_eq!(machine.failed(Instant::now()), None);
    assert_eq!(machine.number(), 2);
    assert_eq!(machine.probe_succeeded(), 1);
    assert_eq!(machine.ask(Instant::now()), Answer::Go);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_never_told_of_makes_way_for_the_next() {
    let mut machine = machine(None);
    opened(&mut machine);
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(machine.ask(Instant::now()), Answer::Probe);
    machine.probe_lost(Instant::now());
    assert_eq!(machine.ask(Instant::now()), Answer::Probe);
    machine.probe_succeeded();
    machine.probe_lost(Instant::now());
    assert_eq!(machine.ask(Instant::now()), Answer::Go, "it is closed");
}

#[tokio::test(start_paused = true)]
async fn the_backoff_grows_to_half_a_minute_and_starts_again_once_closed() {
    let mut machine = machine(None);
    let mut backoffs = vec![opened(&mut machine).backoff];
    for _ in 1..14 {
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(machine.ask(Instant::now()), Answer::Probe);
        backoffs.push(machine.probe_failed(Instant::now()).unwrap().backoff);
    }
    let ms: Vec<u128> = backoffs.iter().map(Duration::as_millis).collect();
    assert_eq!(ms[..5], [500, 750, 1125, 1687, 2531]);
    assert_eq!(ms[13], 30_000);
    tokio::time::advance(Duration::from_secs(30)).await;
    assert_eq!(machine.ask(Instant::now()), Answer::Probe);
    machine.probe_succeeded();
    assert_eq!(opened(&mut machine).backoff.as_millis(), 500);
}

#[tokio::test(start_paused = true)]
async fn however_long_it_is_open_somebody_probes_every_two_seconds() {
    let mut machine = machine(None);
    opened(&mut machine);
    let mut openings = 1;
    let mut probes = 0;
    for _ in 0..600 {
        tokio::time::advance(Duration::from_millis(100)).await;
        if machine.ask(Instant::now()) != Answer::Probe {
            let wait = machine.open_for(Instant::now()).unwrap();
            assert!(wait <= PROBE_EVERY, "{wait:?}");
            continue;
        }
        probes += 1;
        openings += u32::from(machine.probe_failed(Instant::now()).is_some());
    }
    assert!(probes >= 30, "{probes} in a minute");
    // The first ten backoffs add up to 57 s.
    assert_eq!(openings, 11, "early probes do not count");
    tokio::time::advance(PROBE_EVERY).await;
    assert_eq!(machine.ask(Instant::now()), Answer::Probe);
    machine.probe_succeeded();
    assert_eq!(machine.ask(Instant::now()), Answer::Go);
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_ten_openings_in_a_row_unless_it_is_set_to_keep_trying() {
    let mut gives_up = machine(Some(10));
    let mut stays = machine(None);
    for machine in [&mut gives_up, &mut stays] {
        opened(machine);
        for _ in 1..9 {
            tokio::time::advance(Duration::from_secs(30)).await;
            assert_eq!(machine.ask(Instant::now()), Answer::Probe);
            machine.probe_failed(Instant::now());
        }
        assert!(!machine.gave_up());
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(machine.ask(Instant::now()), Answer::Probe);
        let opened = machine.probe_failed(Instant::now()).unwrap();
        assert_eq!(opened.consecutive, 10);
    }
    assert!(gives_up.gave_up());
    assert!(!stays.gave_up());
}
