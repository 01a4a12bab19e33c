//! Reserved hosts.

use super::*;
use crate::why::{ReadyIn, ReservationFacts, ReservedHosts};

fn named(name: &str) -> Host {
    Host {
        id: name.into(),
        name: name.into(),
        ..host()
    }
}

fn busy(name: &str) -> Host {
    let mut host = named(name);
    host.ledger.cores = Centicores(100);
    host.idle.cores = Centicores(100);
    host
}

fn ready_in(seconds: u64) -> ReadyIn {
    ReadyIn {
        time: Duration::from_secs(seconds),
        is_guess: false,
    }
}

fn hosts_by(ready: &[(&str, u64)]) -> HashMap<HostId, ReadyIn> {
    let hosts = ready.iter();
    hosts
        .map(|(host, seconds)| ((*host).into(), ready_in(*seconds)))
        .collect()
}

fn answer(reservations: ReservationFacts, hosts: &[Host]) -> Why {
    let mut facts = facts();
    facts.layers[0].reservations = reservations;
    why(&facts, hosts, &scheduler(&FitRules::default())).why
}

#[test]
fn a_layer_that_has_hosts_reserved_is_shown_them_and_the_time() {
    let own = hosts_by(&[("late", 300), ("soon", 20), ("gone", 1)]);
    let reservations = ReservationFacts {
        own,
        ..ReservationFacts::default()
    };
    let hosts = [busy("late"), busy("soon"), busy("other")];
    let expected = ReservedHosts {
        names: vec!["soon".to_owned(), "late".to_owned()],
        ready_in: ready_in(20),
    };
    assert_eq!(
        answer(reservations.clone(), &hosts),
        Why::Reserved(expected)
    );
    let room = [busy("late"), named("soon")];
    assert!(matches!(
        answer(reservations, &room),
        Why::CanRun { hosts: 1, .. }
    ));
}

#[test]
fn hosts_that_are_closed_to_a_layer_are_no_room_for_it() {
    let reservations = ReservationFacts {
        others: hosts_by(&[("a", 60), ("b", 30)]),
        ..ReservationFacts::default()
    };
    let expected = ReservedHosts {
        names: vec!["b".to_owned(), "a".to_owned()],
        ready_in: ready_in(30),
    };
    let hosts = [named("a"), named("b"), busy("c")];
    assert_eq!(
        answer(reservations.clone(), &hosts),
        Why::ReservedForOther(expected)
    );
    let hosts = [named("a"), named("b"), named("c")];
    assert!(matches!(
        answer(reservations, &hosts),
        Why::CanRun { hosts: 1, .. }
    ));
}

#[test]
fn a_sentence_names_five_hosts_and_the_number_of_the_others() {
    let names: Vec<String> = (1..=7).map(|n| format!("h{n}")).collect();
    let mut hosts = ReservedHosts {
        names,
        ready_in: ready_in(95),
    };
    for sentence in [hosts.owned(), hosts.closed()] {
        assert!(
            sentence.contains("h1, h2, h3, h4, h5 and 2 more"),
            "{sentence}"
        );
        let wanted = "1 min 35 s, by the mean runs of the layers there";
        assert!(sentence.contains(wanted), "{sentence}");
    }
    hosts.ready_in.is_guess = true;
    for sentence in [hosts.owned(), hosts.closed()] {
        let wanted = "1 min 35 s, a guess, for a layer there has no finished frame yet";
        assert!(sentence.ends_with(wanted), "{sentence}");
    }
}
