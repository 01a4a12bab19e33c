//! The layer of several by which a job is described.

use super::*;

#[test]
fn of_several_layers_the_first_that_can_run_is_the_answer() {
    let answer = |second_waits: bool| {
        let mut facts = facts();
        facts.layers[0].starts_in = Some(Duration::from_secs(5));
        let mut second = layer("comp");
        second.layer.dispatch_order = 2;
        second.earlier = 5;
        second.counts.waiting = i64::from(second_waits);
        facts.layers.push(second);
        why(&facts, &[host()], &scheduler(&FitRules::default()))
    };
    let open = answer(true);
    assert_eq!(open.layer.as_deref(), Some("comp"));
    assert_eq!(
        open.sentence,
        "job shot: layer comp can run now on 1 host, and 5 frames of show alpha are ahead of it."
    );
    let closed = answer(false);
    assert_eq!(
        closed.sentence,
        "job shot: layer render must not start for another 5 s."
    );
}
