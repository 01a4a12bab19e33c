//! Size of a frame by its memory: cores that would be stranded go to the frame that strands them.
//!
//! A frame with more memory per core than its host leaves cores without memory, which nobody can use.
//! A threadable layer gets those cores. The memory that counts is the larger of the amount asked for
//! and the amount that its frames were seen to use, without the frames that stand out.

use crate::fit::growth_bound;
use crate::layer::Layer;
use crate::units::{Centicores, Kib, Resources};

/// Share of the largest samples that sizes nothing: one in this many.
const OUTLIERS: usize = 20;

/// Frames of a trial.
const TRIAL: i64 = 8;

/// Memory by which a layer is sized: the larger of `asked` and a high quantile of what its frames were
/// `seen` to use, in KiB.
///
/// The largest 5 % of the samples are left out, at least one, so that one frame that stands out does
/// not size a layer. A sole sample counts: it is all the evidence there is, and the next one corrects
/// it. Samples of 0 or less are no samples.
pub fn memory_of(asked: Kib, seen: &[Kib]) -> Kib {
    let mut seen: Vec<_> = seen.iter().copied().filter(|used| used.0 > 0).collect();
    let outliers = match seen.len() {
        0 | 1 => 0,
        samples => (samples / OUTLIERS).max(1),
    };
    seen.sort_unstable_by(|one, other| other.cmp(one));
    seen.get(outliers).map_or(asked, |used| asked.max(*used))
}

/// Cores for a frame of `layer` that uses `memory`, on a host with `host_total`.
///
/// A threadable layer with a positive minimum gets whole cores in proportion to its share of the
/// host's memory, rounded: at least its minimum, at most its maximum, and no more than the host has.
/// Any other layer gets what it asks for, `int_cores_min`. A minimum that is more than the host has is
/// returned, not cut, so the frame does not fit.
pub fn cores_for(layer: &Layer, memory: Kib, host_total: &Resources) -> Centicores {
    if !layer.threadable || layer.cores_min.0 <= 0 {
        return layer.cores_min;
    }
    let by_memory = cores_by_memory(memory, host_total);
    let cores = by_memory.max(layer.cores_min.rounded_up());
    cores.min(growth_bound(layer))
}

/// Most frames at a time of a layer that memory may size, while the memory that they use is not known; `None` for
/// any other layer.
///
/// Frames of one core that use far more memory than they ask for fill a host's memory and strand its cores. So a
/// layer that could grow, and that asks for no more than a core, tries a few frames first.
pub fn trial(layer: &Layer, is_measured: bool) -> Option<i64> {
    let asks_one = layer.cores_min.0 > 0 && layer.cores_min <= Centicores::CORE;
    let may_grow = layer.threadable && growth_bound(layer) > Centicores::CORE;
    (!is_measured && asks_one && may_grow).then_some(TRIAL)
}

/// Whole cores of the host for this part of its memory, rounded half up, at most all of them; none on
/// a host whose memory is unknown.
fn cores_by_memory(memory: Kib, host_total: &Resources) -> Centicores {
    let cores = i128::from(host_total.cores.whole());
    let total = i128::from(host_total.memory.0.max(0));
    let memory = i128::from(memory.0.max(0)).min(total);
    let doubled = (2 * memory * cores).saturating_add(total);
    let rounded = doubled.checked_div(2 * total).unwrap_or(0);
    Centicores::cores(i64::try_from(rounded).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
