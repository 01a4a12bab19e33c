//! Hosts that lack something.

use super::*;

#[test]
fn hosts_are_described_by_the_first_amount_that_they_lack() {
    let cases: [(Change, &str); 12] = [
        (
            |_, h| h.tags = tags(&["other"]),
            "job shot cannot run because no host that is up and open has the tag general.",
        ),
        (
            |_, h| h.facility = "else".into(),
            "job shot cannot run because no host that is up and open has the tag general.",
        ),
        (
            |_, h| h.alloc = "b".into(),
            "job shot cannot run because show alpha has no subscription to the allocations of the 1 host with the tag general.",
        ),
        (
            |f, _| f.os = Some("Linux".to_owned()),
            "job shot cannot run because its job asks for the OS Linux, and the only host with its tags has rocky9.",
        ),
        (
            |_, h| h.os = [].into(),
            "job shot cannot run because its job asks for the OS rocky9, and the only host with its tags has none.",
        ),
        (
            |f, h| {
                f.layers[0].layer.threadable = false;
                h.thread_mode = ThreadMode::All;
            },
            "job shot cannot run because it is not threadable, and every host with its tags takes threadable layers only (1 host asked).",
        ),
        (
            |f, _| f.layers[0].layer.cores_min = Centicores(1_600),
            "job shot cannot run because a frame needs 16 cores, and the biggest of its hosts has 8.",
        ),
        (
            |f, _| f.layers[0].layer.memory_min = Kib(25_690_112),
            "job shot cannot run because a frame needs 24.5 GiB of memory, and the biggest of its hosts has 16 GiB.",
        ),
        (
            |f, _| f.layers[0].layer.gpus_min = 2,
            "job shot cannot run because a frame needs 2 GPUs, and the biggest of its hosts has 1.",
        ),
        (
            |f, _| f.layers[0].layer.gpu_memory_min = Kib(2_097_152),
            "job shot cannot run because a frame needs 2 GiB of GPU memory, and the biggest of its hosts has 1 GiB.",
        ),
        (
            |_, h| (h.idle.memory, h.ledger.memory) = (Kib(0), Kib(0)),
            "job shot waits because the only host it fits on is busy.",
        ),
        (
            |f, _| {
                f.layers[0].layer.memory_min = ROOM.memory;
                f.job.max_cores = 500;
            },
            "job shot waits because a frame would take 8 cores of the hosts with room, and the caps of job and folder leave 5.",
        ),
    ];
    for (change, sentence) in cases {
        assert_eq!(sentence_of(change), sentence);
    }
}
