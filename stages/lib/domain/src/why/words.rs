//! The answers as sentences.
//!
//! Invariant: every answer is one sentence that states the rule with the numbers that were compared, in whole cores
//! and GiB. It has no word of the database's tables, and no sign that a terminal obeys.

use super::facts::{CapFacts, Counts, Facts, FrameFacts, LayerFacts, Scheduler, SubscriptionFacts};
use super::limits::{of_limit, open_limits};
use super::queued::Queued;
use super::reason::{Dimension, Lack, Why};
use super::setbacks::{backs_off, hosts_back_off, paused};
use super::systems::no_os;
use super::tagged::no_tag;
use super::unread;
use crate::fit::{Misfit, least_cores};
use crate::tags::Tag;
use crate::text::{cores, gib, many, printable, time};
use crate::units::Centicores;

/// An answer about a layer, or about the subject as a whole.
pub(super) struct Sentence<'a> {
    pub(super) facts: &'a Facts,
    pub(super) layer: Option<&'a LayerFacts>,
    pub(super) scheduler: &'a Scheduler<'a>,
}

impl Sentence<'_> {
    /// The sentence that states the reason.
    pub(super) fn of(&self, why: &Why) -> String {
        let facts = self.facts;
        let about = match self.layer.filter(|_| facts.layers.len() > 1) {
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
        let predicate = self.predicate(why);
        let unread = unread::sentences(&facts.unread);
        printable(&format!("{about} {predicate}.{unheeded}{unread}"))
    }

    fn predicate(&self, why: &Why) -> String {
        let (facts, show) = (self.facts, &self.facts.show);
        match why {
            Why::ShowInactive => format!("does not run because show {show} is not active"),
            Why::ShowNotManaged => {
                format!("is not for this scheduler: show {show} is booked by Cuebot itself")
            }
            Why::OtherFacility(ours) => other_facility(ours, &facts.facility_name),
            Why::TagsIgnored => {
                let tags = self.tags(|_| true);
                format!("is not for this scheduler: its settings leave out {tags}")
            }
            Why::JobState(state) => {
                let state = state.to_lowercase();
                format!("does not run because its job is {state}, not pending")
            }
            Why::BookingPaused { pause, remaining } => paused(pause, *remaining),
            Why::JobPaused => "does not run because its job is paused".to_owned(),
            Why::FrameState(frame) => frame_state(frame),
            Why::NothingWaits(counts) => format!("has no waiting frames: {}", states(counts)),
            Why::StartsLater { wait, reason } => {
                let reason = reason.as_ref().map(|text| format!(" ({text})"));
                let reason = reason.unwrap_or_default();
                format!("must not start for another {}{reason}", time(*wait))
            }
            Why::NoSubscription => no_subscription(show),
            Why::Burst {
                subscription,
                takes,
            } => self.burst(subscription, *takes),
            Why::FolderCores(cap) => core_cap("folder", cap, &self.takes_at_least()),
            Why::FolderGpus(cap) => self.gpu_cap("folder", cap),
            Why::JobCores { cap, needs } => core_cap("job", cap, &self.job_needs(*needs)),
            Why::JobGpus(cap) => self.gpu_cap("job", cap),
            Why::Limit(limit) => of_limit(limit),
            Why::NamesNoTags => no_tags(),
            Why::NoTag(tags) => no_tag(facts.tagged.as_ref(), &self.served(), tags.len() > 1),
            Why::TagElsewhere { hosts } => elsewhere(show, *hosts, &self.served()),
            Why::NoOs { hosts, offered } => no_os(facts.os.as_deref(), *hosts, offered),
            Why::ThreadMode { hosts } => thread_mode(*hosts),
            Why::TooSmall(lack) => too_small(lack.as_ref()),
            Why::Reserved(hosts) => hosts.owned(),
            Why::ReservedForOther(hosts) => hosts.closed(),
            Why::Busy { fitting, in_pieces } => busy(*fitting, *in_pieces),
            Why::Contradiction(rows) => rows.to_string(),
            Why::HostsBackOff { hosts, remaining } => hosts_back_off(*hosts, *remaining),
            Why::CapTooTight(misfit) => tight(misfit),
            Why::BookingFails(trouble) => format!("waits because {trouble}"),
            Why::SetAside(backoff) => backs_off(backoff),
            Why::Queued(queued) => queued.predicate(show, self.alloc(queued)),
            Why::Held(held) => held.predicate(),
            Why::HostsUnread => "is kept by no rule but, it may be, those about hosts".to_owned(),
            Why::CanRun { ahead, hosts } => {
                can_run(show, *ahead, *hosts) + &open_limits(self.layer)
            }
        }
    }

    /// Cores that must remain under the job's cap. A layer that is not threadable can ask for more than a frame of it
    /// takes, and then the larger amount counts.
    fn job_needs(&self, needs: i64) -> String {
        match self.layer {
            Some(layer) if least_cores(&layer.layer).0 < needs => {
                format!("its layer asks for {}", cores(needs))
            }
            _ => format!("a frame takes at least {}", cores(needs)),
        }
    }

    fn burst(&self, subscription: &SubscriptionFacts, takes: Option<Centicores>) -> String {
        let takes = takes.map_or_else(
            || self.takes_at_least(),
            |takes| {
                format!(
                    "a frame would take {} of the hosts with room",
                    cores(takes.0)
                )
            },
        );
        format!(
            "waits because show {} uses {} of its {} cores of allocation {}, and {takes}",
            self.facts.show,
            cores(subscription.cores),
            cores(subscription.burst),
            subscription.name
        )
    }

    fn takes_at_least(&self) -> String {
        let least = self.layer.map(|layer| least_cores(&layer.layer));
        let least = least.unwrap_or(Centicores::CORE);
        format!("a frame takes at least {}", cores(least.0))
    }

    fn gpu_cap(&self, owner: &str, cap: &CapFacts) -> String {
        let takes = self.layer.map_or(0, |layer| layer.layer.gpus_min.max(0));
        format!(
            "waits because {owner} {} uses {} of at most {} GPUs, and a frame takes {takes}",
            cap.name, cap.gpus, cap.max_gpus
        )
    }

    /// Name of the allocation that is divided among shows.
    fn alloc<'q>(&'q self, queued: &'q Queued) -> &'q str {
        let Queued::Share(share) = queued else {
            return "";
        };
        let subscription = self.facts.subscription(&share.alloc);
        subscription.map_or(share.alloc.as_str(), |found| &found.name)
    }

    /// Tags of the layer for which this scheduler books.
    fn served(&self) -> String {
        self.tags(|tag| self.scheduler.serves(tag))
    }

    fn tags(&self, names: impl Fn(&Tag) -> bool) -> String {
        let tags = self.layer.iter().flat_map(|layer| layer.layer.tags.iter());
        let tags: Vec<String> = tags.filter(|tag| names(tag)).map(Tag::to_string).collect();
        match &tags[..] {
            [] => "any tag".to_owned(),
            [tag] => format!("the tag {tag}"),
            _ => format!("one of the tags {}", tags.join(", ")),
        }
    }
}

fn other_facility(ours: &str, facility: &str) -> String {
    format!(
        "is not for this scheduler: it serves facility {ours} only, and the job is of {facility}"
    )
}

fn no_subscription(show: &str) -> String {
    format!("cannot run because show {show} has no subscription to any allocation of its facility")
}

fn no_tags() -> String {
    "cannot run because its layer names no tags, so no host may run it".to_owned()
}

fn elsewhere(show: &str, hosts: usize, tags: &str) -> String {
    format!(
        "cannot run because show {show} has no subscription to the allocations of the {} with {tags}",
        many(hosts, "host")
    )
}

fn thread_mode(hosts: usize) -> String {
    format!(
        "cannot run because it is not threadable, and every host with its tags takes threadable \
         layers only ({} asked)",
        many(hosts, "host")
    )
}

fn busy(hosts: usize, in_pieces: bool) -> String {
    match hosts {
        2.. if in_pieces => format!(
            "waits because none of the {hosts} hosts it fits on has all that a frame needs idle, though their idle \
             cores together are enough"
        ),
        1 => "waits because the only host it fits on is busy".to_owned(),
        hosts => format!("waits because all {hosts} hosts it fits on are busy"),
    }
}

fn can_run(show: &str, ahead: i64, hosts: usize) -> String {
    let hosts = many(hosts, "host");
    let ahead = match ahead {
        ..=0 => format!("no frame of show {show} is"),
        1 => format!("1 frame of show {show} is"),
        ahead => format!("{ahead} frames of show {show} are"),
    };
    format!("can run now on {hosts}, and {ahead} ahead of it")
}

fn frame_state(frame: &FrameFacts) -> String {
    let host = frame.host.as_ref().map(|host| format!(" on {host}"));
    let host = host.unwrap_or_default();
    match frame.state.as_str() {
        "RUNNING" => format!("runs already{host}"),
        "SUCCEEDED" => format!("is done; it ran{host}"),
        "DEAD" => format!("has failed and used up its retries; it ran last{host}"),
        "EATEN" => "was given up by somebody (eaten)".to_owned(),
        "DEPEND" => {
            let dependencies = many(frame.depends_on, "dependency");
            format!("waits for {dependencies} to be done first")
        }
        "SETUP" => "is still being set up by Cuebot".to_owned(),
        "CHECKPOINT" => "is at a checkpoint and waits for Cuebot".to_owned(),
        other => format!("is in state {}", other.to_lowercase()),
    }
}

fn states(counts: &Counts) -> String {
    let frames = many(counts.total, "frame");
    let (running, done) = (counts.running, counts.done);
    format!(
        "of {frames}, {running} running, {done} done, {} waiting for others and {} failed",
        counts.depend, counts.dead
    )
}

fn core_cap(owner: &str, cap: &CapFacts, needs: &str) -> String {
    let (name, max) = (&cap.name, cores(cap.max_cores));
    if cap.max_cores <= 0 {
        return format!(
            "cannot run because {owner} {name} has a cap of {max} cores, which admits nothing"
        );
    }
    let used = cores(cap.cores);
    format!("waits because {owner} {name} uses {used} of at most {max} cores, and {needs}")
}

fn too_small(lack: Option<&Lack>) -> String {
    let Some(lack) = lack else {
        return "cannot run because no single host has all the cores, memory and GPUs it needs"
            .to_owned();
    };
    let Lack { needs, biggest, .. } = *lack;
    let (needs, biggest) = match lack.dimension {
        Dimension::Cores => (format!("{} cores", cores(needs)), cores(biggest)),
        Dimension::Memory => (format!("{} of memory", gib(needs)), gib(biggest)),
        Dimension::Gpus => (many(needs, "GPU"), biggest.to_string()),
        Dimension::GpuMemory => (format!("{} of GPU memory", gib(needs)), gib(biggest)),
    };
    format!("cannot run because a frame needs {needs}, and the biggest of its hosts has {biggest}")
}

fn tight(misfit: &Misfit) -> String {
    match misfit {
        Misfit::JobCap { needed, remaining } => format!(
            "waits because a frame would take {} cores of the hosts with room, and the caps of job and folder leave {}",
            cores(needed.0),
            cores(remaining.0)
        ),
        other => format!("waits because {other}"),
    }
}
