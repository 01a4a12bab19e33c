//! The answers as sentences.
//!
//! Invariant: every answer is one sentence that says what is, with the numbers that were compared,
//! in whole cores and GiB. No word of the database's tables is in it, and no sign that moves a cursor.

use std::time::Duration;

use super::facts::{CapFacts, Counts, Facts, FrameFacts, LayerFacts, SubscriptionFacts};
use super::limits::{of_limit, open_limits};
use super::systems::no_os;
use super::tagged::no_tag;
use super::{Here, TooSmall, Why};
use crate::amounts::{cores, gib, many, time};
use crate::fit::{Misfit, least_cores};
use crate::tags::Tag;
use crate::units::Centicores;

pub(super) fn sentence(
    facts: &Facts,
    layer: Option<&LayerFacts>,
    why: &Why,
    here: &Here<'_>,
) -> String {
    let about = match layer.filter(|_| facts.layers.len() > 1) {
        Some(layer) => format!("{}: layer {}", facts.subject, layer.layer.name),
        None => facts.subject.clone(),
    };
    let unheeded = if facts.show_managed && !facts.show_booking {
        format!(
            " Booking of show {} is switched off, which neither Cuebot nor this scheduler heeds.",
            facts.show
        )
    } else {
        String::new()
    };
    let predicate = predicate(facts, layer, why, here);
    plain(&format!("{about} {predicate}.{unheeded}"))
}

/// A sentence on one line that means nothing to a terminal: names and reasons are whatever their
/// owners wrote into the database.
fn plain(sentence: &str) -> String {
    let blank = |sign: char| if sign.is_control() { ' ' } else { sign };
    sentence.chars().map(blank).collect()
}

fn predicate(facts: &Facts, layer: Option<&LayerFacts>, why: &Why, here: &Here<'_>) -> String {
    let served = || tags(layer, |tag| here.serves(tag));
    match why {
        Why::ShowInactive => format!("does not run because show {} is not active", facts.show),
        Why::ShowNotManaged => format!(
            "is not for this scheduler: show {} is booked by Cuebot itself",
            facts.show
        ),
        Why::OtherFacility(ours) => format!(
            "is not for this scheduler: it serves facility {ours} only, and the job is of {}",
            facts.facility_name
        ),
        Why::TagsIgnored => format!(
            "is not for this scheduler: it has been told to book nothing for {}",
            tags(layer, |_| true)
        ),
        Why::JobState(state) => format!(
            "does not run because its job is {}, not pending",
            state.to_lowercase()
        ),
        Why::JobPaused => "does not run because its job is paused".to_owned(),
        Why::FrameState(frame) => frame_state(frame),
        Why::NothingWaits(counts) => format!("has no waiting frames: {}", states(counts)),
        Why::StartsLater { wait, reason } => {
            let reason = reason
                .as_ref()
                .map_or_else(String::new, |text| format!(" ({text})"));
            format!("must not start for another {}{reason}", time(*wait))
        }
        Why::NoSubscription => format!(
            "cannot run because show {} has no subscription to any allocation of its facility",
            facts.show
        ),
        Why::Burst(one) => burst(&facts.show, one, layer),
        Why::BurstOnHost {
            subscription,
            takes,
        } => burst_on_host(&facts.show, subscription, *takes),
        Why::FolderCores(cap) => core_cap("folder", cap, &takes_at_least(layer)),
        Why::FolderGpus(cap) => gpu_cap("folder", cap, layer),
        Why::JobCores { cap, needs } => core_cap("job", cap, &job_needs(*needs, layer)),
        Why::JobGpus(cap) => gpu_cap("job", cap, layer),
        Why::Limit(limit) => of_limit(limit),
        Why::NamesNoTags => {
            "cannot run because its layer names no tags, so no host may run it".to_owned()
        }
        Why::NoTag(tags) => no_tag(facts.tagged.as_ref(), &served(), tags.len() > 1),
        Why::TagElsewhere { hosts } => elsewhere(&facts.show, *hosts, &served()),
        Why::NoOs { hosts, offered } => no_os(facts.os.as_deref(), *hosts, offered),
        Why::ThreadMode { hosts } => thread_mode(*hosts),
        Why::TooSmall(lack) => too_small(lack),
        Why::Busy { fitting: 1 } => "waits because the only host it fits on is busy".to_owned(),
        Why::Busy { fitting } => format!("waits because all {fitting} hosts it fits on are busy"),
        Why::Contradiction(rows) => rows.to_string(),
        Why::HostsRest { hosts, rest } => hosts_rest(*hosts, *rest),
        Why::CapTooTight(misfit) => tight(misfit),
        Why::Rests(rest) => layer_rests(*rest),
        Why::CanRun { ahead, hosts } => can_run(&facts.show, *ahead, *hosts) + &open_limits(layer),
    }
}

/// What must be left of the job's cap. A layer that is not threadable can ask for more than a frame
/// of it takes, and then that is what counts.
fn job_needs(needs: i64, layer: Option<&LayerFacts>) -> String {
    match layer {
        Some(layer) if least_cores(&layer.layer).0 < needs => {
            format!("its layer asks for {}", cores(needs))
        }
        _ => format!("a frame takes at least {}", cores(needs)),
    }
}

fn burst(show: &str, one: &SubscriptionFacts, layer: Option<&LayerFacts>) -> String {
    format!(
        "waits because show {show} uses {} of its {} cores of allocation {}, and {}",
        cores(one.cores),
        cores(one.burst),
        one.name,
        takes_at_least(layer)
    )
}

fn burst_on_host(show: &str, one: &SubscriptionFacts, takes: Centicores) -> String {
    format!(
        "waits because show {show} uses {} of its {} cores of allocation {}, and a frame would take \
         {} of the hosts with room",
        cores(one.cores),
        cores(one.burst),
        one.name,
        cores(takes.0)
    )
}

fn elsewhere(show: &str, hosts: usize, tags: &str) -> String {
    format!(
        "cannot run because show {show} has no subscription to the allocations of the {} with {tags}",
        many(hosts, "host")
    )
}

fn layer_rests(rest: Duration) -> String {
    format!(
        "rests for another {}, because a host or the database refused it",
        time(rest)
    )
}

fn hosts_rest(hosts: usize, rest: Duration) -> String {
    match hosts {
        1 => format!(
            "waits because the only host with room failed to launch a frame and rests for another {}",
            time(rest)
        ),
        hosts => format!(
            "waits because all {hosts} hosts with room failed to launch frames and rest, the first \
             of them for another {}",
            time(rest)
        ),
    }
}

fn thread_mode(hosts: usize) -> String {
    format!(
        "cannot run because it is not threadable, and every host with its tags takes threadable \
         layers only ({} asked)",
        many(hosts, "host")
    )
}

fn can_run(show: &str, ahead: i64, hosts: usize) -> String {
    let hosts = many(hosts, "host");
    let before = match usize::try_from(ahead) {
        Ok(0) | Err(_) => format!("no frame of show {show} is"),
        Ok(1) => format!("1 frame of show {show} is"),
        Ok(ahead) => format!("{ahead} frames of show {show} are"),
    };
    format!("can run now on {hosts}, and {before} ahead of it")
}

fn frame_state(frame: &FrameFacts) -> String {
    let host = frame
        .host
        .as_ref()
        .map_or_else(String::new, |host| format!(" on {host}"));
    match frame.state.as_str() {
        "RUNNING" => format!("runs already{host}"),
        "SUCCEEDED" => format!("is done; it ran{host}"),
        "DEAD" => format!("has failed and used up its retries; it ran last{host}"),
        "EATEN" => "was given up by somebody (eaten)".to_owned(),
        "DEPEND" => format!(
            "waits for {} to be done first",
            many(usize::try_from(frame.depends_on).unwrap_or(0), "dependency")
        ),
        "SETUP" => "is still being set up by Cuebot".to_owned(),
        "CHECKPOINT" => "is at a checkpoint and waits for Cuebot".to_owned(),
        other => format!("is in state {}", other.to_lowercase()),
    }
}

fn states(counts: &Counts) -> String {
    format!(
        "of {}, {} running, {} done, {} waiting for others and {} failed",
        many(usize::try_from(counts.total).unwrap_or(0), "frame"),
        counts.running,
        counts.done,
        counts.depend,
        counts.dead
    )
}

fn core_cap(whose: &str, cap: &CapFacts, needs: &str) -> String {
    if cap.max_cores <= 0 {
        return format!(
            "cannot run because {whose} {} has a cap of {} cores, which admits nothing",
            cap.name,
            cores(cap.max_cores)
        );
    }
    format!(
        "waits because {whose} {} uses {} of at most {} cores, and {needs}",
        cap.name,
        cores(cap.cores),
        cores(cap.max_cores)
    )
}

fn gpu_cap(whose: &str, cap: &CapFacts, layer: Option<&LayerFacts>) -> String {
    format!(
        "waits because {whose} {} uses {} of at most {} GPUs, and a frame takes {}",
        cap.name,
        cap.gpus,
        cap.max_gpus,
        layer.map_or(0, |layer| layer.layer.gpus_min.max(0))
    )
}

fn too_small(lack: &TooSmall) -> String {
    let (needs, biggest) = match *lack {
        TooSmall::Cores { needs, biggest } => {
            (format!("{} cores", cores(needs.0)), cores(biggest.0))
        }
        TooSmall::Memory { needs, biggest } => (format!("{} of memory", gib(needs)), gib(biggest)),
        TooSmall::Gpus { needs, biggest } => (
            many(usize::try_from(needs).unwrap_or(0), "GPU"),
            biggest.to_string(),
        ),
        TooSmall::GpuMemory { needs, biggest } => {
            (format!("{} of GPU memory", gib(needs)), gib(biggest))
        }
        TooSmall::Together => {
            return "cannot run because no single host has all the cores, memory and GPUs it needs"
                .to_owned();
        }
    };
    format!("cannot run because a frame needs {needs}, and the biggest of its hosts has {biggest}")
}

fn tight(misfit: &Misfit) -> String {
    match misfit {
        Misfit::JobCap { needed, rest } => format!(
            "waits because a frame would take {} cores of the hosts with room, and the caps of job and folder leave {}",
            cores(needed.0),
            cores(rest.0)
        ),
        other => format!("waits because {other}"),
    }
}

fn takes_at_least(layer: Option<&LayerFacts>) -> String {
    let least = layer.map_or(Centicores::CORE, |layer| least_cores(&layer.layer));
    format!("a frame takes at least {}", cores(least.0))
}

fn tags(layer: Option<&LayerFacts>, told: impl Fn(&Tag) -> bool) -> String {
    let tags: Vec<&str> = layer
        .iter()
        .flat_map(|layer| layer.layer.tags.iter())
        .filter(|tag| told(tag))
        .map(Tag::as_str)
        .collect();
    match tags[..] {
        [] => "any tag".to_owned(),
        [one] => format!("the tag {one}"),
        _ => format!("one of the tags {}", tags.join(", ")),
    }
}
