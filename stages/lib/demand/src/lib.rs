//! The demand index: every waiting layer, and a pick of the layers that idle hosts could run next.
//!
//! It is the counterpart of the host index. It mirrors rows of the database and only decides what to try: the
//! booking transaction checks everything again, so a stale row costs an attempt and never a cap.
//!
//! A pick is pure: it depends on the mirrored rows, the supply, the rules and the time it is given.

mod asked;
mod blocked;
mod budget;
mod cluster_rows;
mod deal;
mod entitled;
mod farm;
mod gpus;
mod index;
mod kept;
mod pick;
mod picked;
mod queued;
mod replica;
mod reservations;
mod rows;
mod supply;
mod warm;

#[cfg(test)]
mod tests;

pub use blocked::BlockedLayer;
pub use farm::{
    FacilityView, FarmInput, FarmView, HostWork, Oldest, ShowView, SomeWork, Stranding, Waiting,
};
pub use gpus::{GpuWork, kept_for_gpus};
pub use index::{ClusterDemand, DemandIndex, DemandStats, Generation};
pub use picked::{Pick, PickInput, PickRules, Picked};
pub use replica::ReplicaPlace;
pub use reservations::{Reservations, Reserved};
pub use supply::Supply;
