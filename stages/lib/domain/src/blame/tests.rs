//! Blame: examples, and what holds for any answers.

use super::*;

type Case = (&'static str, &'static str, Answer);

fn outcomes(cases: &[Case]) -> Vec<Outcome<&'static str, &'static str>> {
    let outcome = |(host, layer, answer): &Case| Outcome {
        host: *host,
        layer: *layer,
        answer: *answer,
    };
    cases.iter().map(outcome).collect()
}

/// The hosts that back off as a whole, and the layers.
fn judged(
    blame: &mut Blame<&'static str, &'static str>,
    cases: &[Case],
    now: Instant,
) -> (Vec<&'static str>, Vec<&'static str>) {
    let verdict = blame.judge(&outcomes(cases), now);
    let whole = |backoff: &HostBackoff| *backoff == HostBackoff::Whole;
    let hosts = verdict.hosts.into_iter().filter(|(_, how)| whole(how));
    (
        hosts.map(|(host, _)| host).collect(),
        verdict.layers.into_iter().collect(),
    )
}

const NO: Answer = Answer::Refused;
const YES: Answer = Answer::Accepted;

#[test]
fn a_layer_that_several_hosts_refuse_backs_off_and_no_host_does() {
    let mut blame = Blame::default();
    let now = Instant::now();
    let poison = [
        ("h1", "poison", NO),
        ("h2", "poison", NO),
        ("h3", "poison", NO),
    ];
    assert_eq!(judged(&mut blame, &poison, now), (vec![], vec!["poison"]));
}

#[test]
fn hosts_that_refuse_a_layer_one_after_the_other_clear_each_other() {
    let mut blame = Blame::default();
    let now = Instant::now();
    let first = judged(&mut blame, &[("h1", "poison", NO)], now);
    assert_eq!(first, (vec!["h1"], vec![]), "nothing speaks for either");
    let second = judged(&mut blame, &[("h2", "poison", NO)], now);
    assert_eq!(second, (vec![], vec!["poison"]));
}

#[test]
fn on_a_farm_of_one_host_it_backs_off_first_and_then_the_layer() {
    let mut blame = Blame::default();
    let (now, refused) = (Instant::now(), [("h", "poison", NO), ("h", "poison", NO)]);
    assert_eq!(judged(&mut blame, &refused, now), (vec!["h"], vec![]));
    let then = now + Duration::from_secs(2);
    assert_eq!(judged(&mut blame, &refused, then), (vec![], vec!["poison"]));
}

#[test]
fn a_host_that_accepts_others_is_not_to_blame_for_the_one_it_refuses() {
    let mut blame = Blame::default();
    let now = Instant::now();
    let mixed = [("h", "sound", YES), ("h", "poison", NO)];
    assert_eq!(judged(&mut blame, &mixed, now), (vec![], vec!["poison"]));
}

#[test]
fn a_host_that_refuses_what_runs_elsewhere_backs_off() {
    let mut blame = Blame::default();
    let now = Instant::now();
    let one_sick = [("h1", "a", YES), ("h2", "a", NO)];
    assert_eq!(judged(&mut blame, &one_sick, now), (vec!["h2"], vec![]));
}

#[test]
fn a_host_that_fell_sick_after_it_accepted_is_found_out_by_the_second_layer() {
    let mut blame = Blame::default();
    let now = Instant::now();
    judged(&mut blame, &[("h", "a", YES)], now);
    let first = judged(&mut blame, &[("h", "b", NO)], now);
    assert_eq!(first, (vec![], vec!["b"]));
    let then = judged(&mut blame, &[("h", "a", NO)], now);
    assert_eq!(then, (vec!["h"], vec![]));
}

#[test]
fn hosts_that_refuse_everything_and_layers_that_nobody_accepts_both_back_off() {
    let mut blame = Blame::default();
    let now = Instant::now();
    let all = [
        ("h1", "a", NO),
        ("h1", "b", NO),
        ("h2", "a", NO),
        ("h2", "b", NO),
    ];
    let expected = (vec!["h1", "h2"], vec!["a", "b"]);
    assert_eq!(judged(&mut blame, &all, now), expected);
}

#[test]
fn an_unfit_host_backs_off_alone_whatever_else_was_said() {
    let mut blame = Blame::default();
    let now = Instant::now();
    let cases = [
        ("locked", "a", YES),
        ("locked", "b", Answer::NoRoom(Centicores(100))),
        ("locked", "a", Answer::Unfit),
        ("fine", "a", YES),
    ];
    assert_eq!(judged(&mut blame, &cases, now), (vec!["locked"], vec![]));
}

#[test]
fn lack_of_room_adds_up_and_blames_nobody() {
    let mut blame = Blame::default();
    let cases = [
        ("h", "a", YES),
        ("h", "a", Answer::NoRoom(Centicores(200))),
        ("h", "b", Answer::NoRoom(Centicores(300))),
    ];
    let verdict = blame.judge(&outcomes(&cases), Instant::now());
    let room = HostBackoff::Room(Centicores(500));
    assert_eq!(verdict.hosts, BTreeMap::from([("h", room)]));
    assert!(verdict.layers.is_empty());
}

#[test]
fn old_answers_say_nothing_and_take_no_memory() {
    let mut blame = Blame::default();
    let now = Instant::now();
    judged(&mut blame, &[("h", "a", YES), ("h2", "b", NO)], now);
    let later = judged(&mut blame, &[("h", "b", NO)], now + WINDOW);
    assert_eq!(later, (vec!["h"], vec![]), "as if it had been the first");
    assert_eq!((blame.hosts.len(), blame.layers.len()), (1, 1));
}

/// Numbers that look random and that only the seed decides.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        // The steps of SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % n
    }
}

#[test]
fn every_refusal_makes_someone_back_off_and_nobody_who_only_accepted_does() {
    for seed in 0..2_000 {
        let mut dice = Dice(seed);
        let mut blame: Blame<u64, u64> = Blame::default();
        let mut now = Instant::now();
        let (mut refusing, mut refused) = (BTreeSet::new(), BTreeSet::new());
        for _ in 0..dice.below(8) {
            now += Duration::from_millis(dice.below(3_000));
            let outcomes: Vec<_> = (0..dice.below(12))
                .map(|_| Outcome {
                    host: dice.below(4),
                    layer: dice.below(4),
                    answer: match dice.below(6) {
                        0..=2 => Answer::Accepted,
                        3 => Answer::NoRoom(Centicores(100)),
                        4 => Answer::Unfit,
                        _ => Answer::Refused,
                    },
                })
                .collect();
            for Outcome {
                host,
                layer,
                answer,
            } in &outcomes
            {
                if *answer != Answer::Accepted {
                    refusing.insert(*host);
                }
                if *answer == Answer::Refused {
                    refused.insert(*layer);
                }
            }
            let verdict = blame.judge(&outcomes, now);
            for Outcome {
                host,
                layer,
                answer,
            } in &outcomes
            {
                let backs_off = verdict.hosts.contains_key(host) || verdict.layers.contains(layer);
                assert!(*answer == Answer::Accepted || backs_off, "seed {seed}");
            }
            for host in verdict.hosts.keys() {
                assert!(refusing.contains(host), "seed {seed}: host {host}");
            }
            for layer in &verdict.layers {
                assert!(refused.contains(layer), "seed {seed}: layer {layer}");
            }
        }
    }
}

#[test]
fn a_layer_nobody_runs_never_costs_hosts_that_run_others() {
    for seed in 0..500 {
        let mut dice = Dice(seed);
        let mut blame: Blame<u64, u64> = Blame::default();
        let now = Instant::now();
        // Layer 0 is poison; every host has accepted another one.
        let hosts = 1 + dice.below(5);
        let mut all: Vec<_> = (0..hosts)
            .map(|host| Outcome {
                host,
                layer: 1 + dice.below(3),
                answer: Answer::Accepted,
            })
            .collect();
        for _ in 0..1 + dice.below(20) {
            let at = usize::try_from(dice.below(all.len() as u64 + 1)).unwrap();
            let host = dice.below(hosts);
            all.insert(
                at,
                Outcome {
                    host,
                    layer: 0,
                    answer: Answer::Refused,
                },
            );
        }
        let verdict = blame.judge(&all, now);
        assert!(verdict.hosts.is_empty(), "seed {seed}");
        assert_eq!(verdict.layers, BTreeSet::from([0]), "seed {seed}");
    }
}
