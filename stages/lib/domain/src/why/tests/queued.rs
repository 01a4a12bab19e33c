//! Policy that serves others first.

use super::*;

fn share(show: &str, size: i64, held: i64, entitled: i64) -> ShowShare {
    ShowShare {
        show: show.into(),
        size: Centicores::cores(size),
        held: Centicores::cores(held),
        entitled: Centicores::cores(entitled),
    }
}

fn answer(queued: Queued, change: impl FnOnce(&mut Facts, &mut Host)) -> Answer {
    let (mut facts, mut host) = (facts(), host());
    facts.layers[0].queued = Some(queued);
    change(&mut facts, &mut host);
    why(&facts, &[host], &scheduler(&FitRules::default()))
}

fn shares(first: Vec<ShowShare>) -> Queued {
    Queued::Share(Box::new(ShareFacts {
        alloc: "a".into(),
        idle: Centicores::cores(10),
        own: share("alpha", 20, 40, 0),
        first,
    }))
}

#[test]
fn a_show_that_has_its_share_is_compared_with_the_show_that_is_served_first() {
    let alone = answer(shares(vec![share("beta", 100, 50, 10)]), |_, _| {});
    assert_eq!(alone.why.reason().code(), "share");
    assert_eq!(alone.why.fault(), None);
    assert_eq!(
        alone.sentence,
        "job shot waits because its show has its share of allocation yard.general: show alpha (size 20, in use 40, \
         tier 2.00); the 10 idle cores there go to show beta (size 100, in use 50, tier 0.50)."
    );
    let two = vec![share("beta", 100, 50, 9), share("gamma", 0, 1, 1)];
    let two = answer(shares(two), |_, _| {});
    assert!(
        two.sentence.ends_with("tier 0.50) and 1 other show."),
        "{}",
        two.sentence
    );
}

#[test]
fn a_layer_behind_others_names_the_cores_and_the_first_of_them() {
    let order = Queued::Order(OrderFacts {
        entitled: Centicores::CORE,
        first: "comp/render".to_owned(),
        layers: 3,
        jobs: 1,
    });
    let answer = answer(order, |_, _| {});
    assert_eq!(answer.why.reason().code(), "order");
    assert_eq!(
        answer.sentence,
        "job shot waits because other layers of show alpha are served first: the 1 idle core that the show may use \
         now goes to 3 layers of 1 job, first of all comp/render."
    );
}

#[test]
fn the_policy_is_no_reason_where_a_rule_or_the_hosts_are_in_the_way() {
    let trial = Queued::Trial {
        running: 8,
        most: 8,
    };
    let free = answer(trial.clone(), |facts, _| {
        let since = Some(Duration::from_secs(9));
        facts.layers[0].held = Some(HeldRow {
            table: "layer".into(),
            holder: None,
            since,
        });
    });
    assert_eq!(free.why, Why::Queued(trial.clone()));
    assert_eq!(free.why.reason().code(), "trial");
    assert_eq!(
        free.sentence,
        "job shot waits because the memory that its frames use is not known yet: 8 of them run, and no more than 8 \
         may until one has ended or its memory is reported."
    );
    let busy = answer(trial.clone(), |_, host| {
        (host.idle, host.ledger) = (Resources::NONE, Resources::NONE);
    });
    assert_eq!(busy.why.reason().code(), "capacity");
    let capped = answer(trial, |facts, _| facts.job.max_cores = 0);
    assert_eq!(capped.why.reason().code(), "job_cap");
}
