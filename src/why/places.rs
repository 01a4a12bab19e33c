//! Answers about a show and about a host, from what the running scheduler knows.

use std::time::{Duration, Instant};

use cue_demand::{HostWork, ShowView, SomeWork, kept_for_gpus};
use cue_domain::{Host, Resources, WaitReason, printable};
use cue_loops::ClosedFarm;
use cue_store::ShowFacts;
use serde_json::json;

use super::answer::WhyAnswer;
use super::seen::Seen;
use crate::hosts::closing_reason;
use crate::status::{Show, ms, of_view};
use crate::words;

/// Reasons of a show that a sentence names.
const NAMED: usize = 4;

/// The answer about a show; `None` if nothing of it waits and it holds no core.
pub(super) fn of_show(seen: &Seen, name: &str) -> Option<WhyAnswer> {
    let view = seen.farm.read();
    let is_it = |show: &&ShowView| &*show.cluster.show_name == name;
    let (shows, _) = of_view(&view);
    let shows: Vec<Show> = shows.into_iter().filter(|show| show.show == name).collect();
    let views = view.shows.iter().filter(is_it);
    let most = views.flat_map(|show| &show.waiting);
    let most = most.max_by_key(|(_, waiting)| waiting.frames);
    let reason = most.map_or(WaitReason::NothingWaits, |(reason, _)| *reason);
    let sentences: Vec<String> = shows.iter().map(show_sentence).collect();
    (!shows.is_empty()).then(|| WhyAnswer {
        facts: json!({ "shows": shows }),
        ..WhyAnswer::plain(
            &format!("show {name}"),
            reason,
            printable(&sentences.join(" ")),
        )
    })
}

/// The answer about an active show of which nothing waits and that has no cores.
pub(super) fn of_quiet_show(show: &ShowFacts) -> WhyAnswer {
    let name = &show.name;
    let (reason, sentence) = if show.managed {
        let sentence = format!("show {name} has no cores here, and nothing of it waits.");
        (WaitReason::NothingWaits, sentence)
    } else {
        let sentence = format!("show {name} is not handed over, so Cuebot books it.");
        (WaitReason::ShowNotManaged, sentence)
    };
    WhyAnswer::plain(&format!("show {name}"), reason, printable(&sentence))
}

fn show_sentence(show: &Show) -> String {
    let (name, facility) = (&show.show, &show.facility);
    let held = words::cores(show.held_centicores);
    let entitled = words::cores(show.entitled_centicores);
    let has = format!(
        "show {name} of {facility} has {held} cores, and {entitled} would be its share of all"
    );
    if show.waiting_frames == 0 {
        return format!("{has}; nothing of it waits.");
    }
    let reasons = show.waiting.iter().take(NAMED);
    let reasons = reasons.map(|by| format!("{} ({})", words::count(by.frames), by.words));
    let reasons: Vec<String> = reasons.collect();
    let oldest = show.oldest.as_ref().map_or_else(String::new, |oldest| {
        let age = words::age(Duration::from_secs(oldest.seconds));
        format!("; {} has waited longest, for {age}", oldest.layer)
    });
    let waiting = words::count(show.waiting_frames);
    format!(
        "{has}; {waiting} frames wait: {}{oldest}.",
        reasons.join(", ")
    )
}

/// The answer about a host, by name or id; `None` if nobody knows it. A host of the index is open, whatever the older
/// reading of closed hosts says.
pub(super) fn of_host(seen: &Seen, name: &str) -> Option<WhyAnswer> {
    let mut open = seen.hosts.hosts().into_iter();
    let open = open.find(|host| &*host.name == name || host.id.as_str() == name);
    open.map(|host| of_open(seen, host))
        .or_else(|| of_closed(&seen.closed.read(), name))
}

/// The answer about a host that may not be booked.
fn of_closed(farm: &ClosedFarm, name: &str) -> Option<WhyAnswer> {
    let mut hosts = farm.hosts.iter();
    let host = hosts.find(|host| host.name == name || host.id.as_str() == name)?;
    let (name, closed) = (&host.name, closing_reason(host));
    let total = host.total.cores.0;
    let used = total.saturating_sub(host.idle.cores.0).max(0);
    let sentence = format!(
        "host {name} takes no frames because it is {closed}; {} of its {} cores are in use, and its last report is {} \
         old.",
        words::cores(used),
        words::cores(total),
        words::age(host.silent_for)
    );
    Some(WhyAnswer {
        rule: Some("host_closed".to_owned()),
        facts: json!({
            "closed": closed,
            "idle_cores": host.idle.cores.0 as f64 / 100.0,
            "total_cores": total as f64 / 100.0,
            "silent_seconds": host.silent_for.as_secs(),
        }),
        ..WhyAnswer::plain(
            &format!("host {name}"),
            WaitReason::NoHost,
            printable(&sentence),
        )
    })
}

fn of_open(seen: &Seen, host: Host) -> WhyAnswer {
    let now = Instant::now();
    let reservations = seen.demand.reservations();
    let reserved = reservations.of(&host.id);
    let facts = HostFacts {
        kept: kept_for_gpus(&host, &seen.demand.gpu_work()),
        work: seen.demand.work_for(&host),
        backoff: seen.hosts.backoffs(now).remove(&host.id),
        reserved: reserved.map(|reserved| {
            let owner = seen.demand.name_of(&reserved.owner);
            let owner = owner.unwrap_or_else(|| reserved.owner.as_str().to_owned());
            (owner, reserved.ready_at.saturating_duration_since(now))
        }),
        host,
    };
    let (reason, clause) = facts.reason();
    let (host, work) = (&facts.host, &facts.work);
    let (name, idle, total) = (&host.name, host.idle, host.total);
    let sentence = format!("host {name} has {idle} idle of {total}: {clause}.");
    let some = |work: &SomeWork| json!({ "layers": work.layers, "frames": work.frames, "example": work.example });
    let reserved = facts.reserved.as_ref();
    WhyAnswer {
        facts: json!({
            "idle_cores": host.idle.cores.0 as f64 / 100.0,
            "total_cores": host.total.cores.0 as f64 / 100.0,
            "could_run_now": some(&work.now),
            "could_run_when_empty": some(&work.when_empty),
            "waits_for_its_tags": some(&work.admitted),
            "reserved_for": reserved.map(|(owner, _)| owner),
            "backs_off_ms": facts.backoff.map(ms),
        }),
        expected_start_ms: reserved.map(|(_, ready_in)| ms(*ready_in)),
        ..WhyAnswer::plain(&format!("host {}", host.name), reason, printable(&sentence))
    }
}

/// Facts about an open host.
struct HostFacts {
    host: Host,
    /// Resources that are kept for work with GPUs.
    kept: Resources,
    work: HostWork,
    backoff: Option<Duration>,
    /// The layer that it is reserved for, and the time until this has room.
    reserved: Option<(String, Duration)>,
}

impl HostFacts {
    /// The reason for which the host is idle or takes nothing more, and a clause that says so.
    fn reason(&self) -> (WaitReason, String) {
        let HostWork {
            admitted,
            when_empty,
            now,
        } = &self.work;
        if let Some(remaining) = self.backoff {
            let age = words::age(remaining);
            let clause = format!("it backs off after failed launches, for another {age}");
            return (WaitReason::HostsBackOff, clause);
        }
        if let Some((owner, ready_in)) = &self.reserved {
            let age = words::age(*ready_in);
            let clause = format!(
                "it is reserved for {owner}, which is expected to have room in {age}, and takes only frames that end \
                 before"
            );
            return (WaitReason::Reserved, clause);
        }
        if admitted.layers == 0 {
            let clause = "no layer waits for its tags, its operating system and its thread mode in a show with a \
                          subscription to its allocation";
            return (WaitReason::NothingWaits, clause.to_owned());
        }
        if now.layers > 0 {
            let kept = if self.kept == Resources::NONE {
                String::new()
            } else {
                format!(", and {} are kept for work with GPUs", self.kept)
            };
            let clause = format!(
                "{} could run on it now{kept}; caps, shares and the order decide",
                some(now)
            );
            let reason = if self.kept == Resources::NONE {
                WaitReason::CanRun
            } else {
                WaitReason::GpuProtected
            };
            return (reason, clause);
        }
        if when_empty.layers > 0 {
            let clause = format!(
                "nothing that waits fits what is idle; {} could run on it if it were empty",
                some(when_empty)
            );
            let is_busy = self.host.idle.cores.whole() <= 0;
            let reason = if is_busy {
                WaitReason::Capacity
            } else {
                WaitReason::NoFit
            };
            return (reason, clause);
        }
        let clause = format!(
            "{} wait for its tags, and all need more than the host has",
            some(admitted)
        );
        (WaitReason::NoHost, clause)
    }
}

fn some(work: &SomeWork) -> String {
    let frames = words::count(work.frames.unsigned_abs());
    let example = work.example.as_deref().unwrap_or_default();
    match work.layers {
        1 => format!("1 layer with {frames} waiting frames ({example})"),
        layers => format!("{layers} layers with {frames} waiting frames (such as {example})"),
    }
}
