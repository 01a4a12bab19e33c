//! Of several rules that keep something from running, the answer names the first, with the
//! numbers that were compared.

use super::*;

#[test]
fn a_frame_that_is_over_or_under_way_says_so_even_if_its_job_is_paused_or_over() {
    let about = "frame 0001-render of job shot";
    let hindered = |state: &str| {
        sentence_of(|facts, _| {
            frame(facts, state);
            (facts.show_active, facts.paused) = (false, true);
            facts.job_state = "FINISHED".into();
        })
    };
    for (state, does) in [
        ("RUNNING", "runs already on h7"),
        ("SUCCEEDED", "is done; it ran on h7"),
        (
            "DEAD",
            "has failed and used up its retries; it ran last on h7",
        ),
        ("EATEN", "was given up by somebody (eaten)"),
        ("CHECKPOINT", "is at a checkpoint and waits for Cuebot"),
        ("DEPEND", "does not run because show alpha is not active"),
        ("WAITING", "does not run because show alpha is not active"),
    ] {
        assert_eq!(hindered(state), format!("{about} {does}."));
    }
    let done = sentence_of(|facts, _| {
        facts.job_state = "FINISHED".into();
        facts.layers[0].counts = Counts {
            total: 2,
            done: 2,
            ..Counts::default()
        };
    });
    assert_eq!(
        done,
        "job shot has no waiting frames: of 2 frames, 0 running, 2 done, 0 waiting for others and 0 failed."
    );
    let paused = sentence_of(|facts, _| {
        frame(facts, "DEPEND");
        facts.paused = true;
        facts.layers[0].counts.waiting = 0;
    });
    assert_eq!(
        paused,
        format!("{about} does not run because its job is paused.")
    );
}

#[test]
fn a_cap_below_what_the_layer_asks_for_is_named_even_where_a_frame_takes_one_core() {
    let capped = |threadable: bool, most: Option<i64>| {
        sentence_of(|facts, _| {
            let layer = &mut facts.layers[0].layer;
            (layer.threadable, layer.cores_min) = (threadable, Centicores(800));
            layer.cores_max = most.map(Centicores);
            facts.job.max_cores = 500;
        })
    };
    let asks =
        "job shot waits because job shot uses 0 of at most 5 cores, and its layer asks for 8.";
    assert_eq!(capped(false, None), asks);
    assert_eq!(capped(true, Some(300)), asks);
    let takes =
        "job shot waits because job shot uses 0 of at most 5 cores, and a frame takes at least 8.";
    assert_eq!(capped(true, None), takes);
}

#[test]
fn a_subscription_too_small_for_a_grown_frame_is_compared_with_the_grown_frame() {
    let grown = sentence_of(|facts, host| {
        facts.layers[0].layer.memory_min = Kib(host.idle.memory.0 / 2);
        facts.subscriptions[0].burst = 300;
    });
    assert_eq!(
        grown,
        "job shot waits because show alpha uses 0 of its 3 cores of allocation yard.general, and a frame would take 4 of the hosts with room."
    );
}

#[test]
fn hosts_that_have_the_tag_and_cannot_be_booked_are_counted() {
    let counted = |tagged: TaggedHosts| {
        sentence_of(|facts, host| {
            host.tags = [].into();
            facts.tagged = Some(tagged);
        })
    };
    let none = "job shot cannot run because no host";
    assert_eq!(
        counted(TaggedHosts::default()),
        format!("{none} has the tag general.")
    );
    let mut tagged = TaggedHosts {
        hosts: 12,
        locked: 9,
        down: 2,
        silent: 1,
        silent_after: Some(Duration::from_secs(120)),
        ..TaggedHosts::default()
    };
    assert_eq!(
        counted(tagged),
        format!(
            "{none} that is up and open has the tag general; 12 hosts have the tag: 9 are locked, 2 are down, 1 has been silent for over 2 min."
        )
    );
    (tagged.hosts, tagged.nimby, tagged.elsewhere) = (16, 1, 3);
    assert_eq!(
        counted(tagged),
        format!(
            "{none} of its facility that is up and open has the tag general; 16 hosts have the tag: 9 are locked, 1 is in use by somebody (NIMBY), 2 are down, 1 has been silent for over 2 min, 3 are of another facility."
        )
    );
}

#[test]
fn a_layer_without_tags_says_so() {
    assert_eq!(
        sentence_of(|facts, _| facts.layers[0].layer.tags = [].into()),
        "job shot cannot run because its layer names no tags, so no host may run it."
    );
}
