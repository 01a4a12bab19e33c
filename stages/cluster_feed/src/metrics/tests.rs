//! Series of shows: what they count, and how long they stay.

use prometheus::{Registry, TextEncoder};

use super::*;

fn key(show: &str, facility: &str) -> ClusterKey {
    ClusterKey {
        facility: facility.into(),
        show: show.into(),
    }
}

/// Lines of the series of shows, without their comments.
fn of_shows(registry: &Registry) -> Vec<String> {
    let text = TextEncoder::new().encode_to_string(&registry.gather());
    let text = text.unwrap();
    let of_show = text.lines().filter(|line| line.contains("show_id="));
    of_show.map(str::to_owned).collect()
}

fn line(name: &str, facility: &str, show: &str, value: u64) -> String {
    format!("scheduler_cluster_{name}{{facility_id=\"{facility}\",show_id=\"{show}\"}} {value}")
}

fn dispatched(jobs: u64) -> TurnEnd {
    TurnEnd {
        jobs: 9,
        dispatched_jobs: jobs,
        ..TurnEnd::default()
    }
}

#[test]
fn turns_are_counted_by_show_and_facility_and_the_last_one_says_what_it_dispatched() {
    let registry = Registry::new();
    let metrics = FeedMetrics::new(&registry).unwrap();
    let clusters = [key("a", "here"), key("b", "here"), key("a", "there")];
    metrics.set_clusters(clusters.iter());
    let [x, y, there] = &clusters;
    for (cluster, jobs) in [(x, 3), (y, 2), (there, 5), (y, 0)] {
        metrics.turn_begun(cluster, None);
        metrics.turn_ended(cluster, &dispatched(jobs));
    }
    assert_eq!(
        of_shows(&registry),
        [
            line("last_dispatched_jobs", "here", "a", 3),
            line("last_dispatched_jobs", "here", "b", 0),
            line("last_dispatched_jobs", "there", "a", 5),
            line("polls_total", "here", "a", 1),
            line("polls_total", "here", "b", 2),
            line("polls_total", "there", "a", 1),
        ],
        "a turn that dispatched nothing says so"
    );
    assert_eq!(metrics.begun.get(), 4);
}

#[test]
fn the_series_of_a_show_without_clusters_are_removed_and_its_last_turns_do_not_bring_them_back() {
    let registry = Registry::new();
    let metrics = FeedMetrics::new(&registry).unwrap();
    let (stays, goes) = (key("stays", "f"), key("goes", "f"));
    metrics.set_clusters([&stays, &goes].into_iter());
    metrics.turn_begun(&goes, None);
    metrics.set_clusters([&stays].into_iter());
    metrics.turn_ended(&goes, &dispatched(1));
    metrics.turn_begun(&goes, None);
    let of_one = [
        line("last_dispatched_jobs", "f", "stays", 0),
        line("polls_total", "f", "stays", 0),
    ];
    assert_eq!(of_shows(&registry), of_one);
    assert_eq!(metrics.begun.get(), 2, "a turn counts nevertheless");

    // Nothing is left behind of a cluster that comes and goes.
    for n in 0..100 {
        metrics.set_clusters([&stays, &key(&n.to_string(), "f")].into_iter());
    }
    metrics.set_clusters([&stays].into_iter());
    assert_eq!(of_shows(&registry), of_one);
}
