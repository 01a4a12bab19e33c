//! The farm by show: frames that wait for which reason and since when, cores that shows hold and are entitled to, and
//! idle cores that no waiting frame can use.
//!
//! It repeats no decision of its own: the reasons come from the budget, the supply and the pick that turns use.
//! Invariant: the lock of the index is held for one cluster at a time, so no turn waits for the view.

mod cluster;
mod host;
mod room;
mod shares;
mod stranded;
mod supplies;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use cue_domain::{ClusterKey, FacilityId, Host};

use crate::gpus::GpuWork;
use crate::picked::PickInput;
use crate::reservations::Reservations;
pub(crate) use cluster::{ClusterView, look};
pub(crate) use host::work_for;
pub use host::{HostWork, SomeWork};
use room::KnownRooms;
use stranded::LeastNeeds;
pub use stranded::Stranding;
pub(crate) use supplies::Supplies;
pub use values::{FacilityView, FarmInput, FarmView, Oldest, ShowView, Waiting};

/// Looks at the farm by show.
///
/// `look` looks at one cluster of those in `keys`.
pub(crate) fn view(
    (keys, work, reservations): (&[ClusterKey], &[GpuWork], &Reservations),
    input: &FarmInput<'_>,
    look: impl Fn(&ClusterKey, (&Supplies<'_>, &mut KnownRooms), &PickInput<'_>) -> Option<ClusterView>,
) -> FarmView {
    let supplies = Supplies::of(input, work, reservations);
    let pick = PickInput {
        supply: &supplies.idle,
        rules: input.rules,
        now: input.now,
        now_us: input.now_us,
        is_set_aside: &|layer| input.layer_backoffs.contains_key(layer),
    };
    let mut clusters = Vec::with_capacity(keys.len());
    let mut known = KnownRooms::default();
    for key in keys {
        clusters.extend(look(key, (&supplies, &mut known), &pick));
    }
    let mut needs = LeastNeeds::default();
    for cluster in &clusters {
        needs.add(&cluster.needs);
    }
    let mut facilities = facilities(input.hosts, &clusters);
    for host in input.hosts {
        let stranding = stranded::stranding(host, &needs, work, reservations, input.host_backoffs);
        let of_host = facilities.get_mut(&host.facility).zip(stranding);
        if let Some((facility, stranding)) = of_host {
            let sum = facility.stranded.entry(stranding).or_default();
            sum.0 = sum.0.saturating_add(host.idle.cores.0);
        }
    }
    let entitled = shares::entitled(&clusters, input.whole);
    let mut shows: Vec<ShowView> = clusters
        .into_iter()
        .zip(entitled)
        .map(|(found, entitled)| ShowView {
            reserved_hosts: reservations
                .iter()
                .filter(|(_, reserved)| reserved.cluster == found.cluster.key)
                .count(),
            held: found.held(),
            cluster: found.cluster,
            waiting: found.waiting,
            entitled,
        })
        .filter(|show| show.frames() > 0 || show.held.0 > 0)
        .collect();
    let names = |show: &ShowView| {
        let cluster = &show.cluster;
        (
            Arc::clone(&cluster.facility_name),
            Arc::clone(&cluster.show_name),
        )
    };
    shows.sort_by_key(names);
    FarmView { shows, facilities }
}

fn facilities(hosts: &[Host], clusters: &[ClusterView]) -> BTreeMap<FacilityId, FacilityView> {
    let mut found: BTreeMap<FacilityId, FacilityView> = BTreeMap::new();
    for host in hosts {
        let facility = found.entry(host.facility.clone()).or_default();
        facility.total.0 = facility.total.0.saturating_add(host.total.cores.0.max(0));
    }
    for cluster in clusters {
        if let Some(facility) = found.get_mut(&cluster.cluster.key.facility) {
            facility.name = Arc::clone(&cluster.cluster.facility_name);
        }
    }
    found
}
