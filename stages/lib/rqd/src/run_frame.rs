//! The message that launches a frame.
//!
//! Pure: rows in, message out. The message is the one that Cuebot would send (OPENCUE.md, RunFrame), with amounts
//! in KiB and centicores. A row that no host could run, such as a chunk of no frames or a user id that does not
//! fit, is refused here by name instead of being narrowed.

use std::collections::HashMap;
use std::sync::Arc;

use cue_domain::frame_range::{RangeError, frame_number};
use cue_domain::{Booking, Kib, LaunchLayer, LayerId};
use cue_proto::rqd::RunFrame;
use cue_proto::rqd::run_frame::UidOptional;

/// The reason why a frame cannot be launched on any host.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The frame's name has no number.
    #[error("frame name `{name}` does not start with a frame number; resubmit the layer")]
    FrameName {
        /// The name.
        name: Arc<str>,
    },
    /// The layer's frame range is not one, or does not contain the frame.
    #[error("frame {number} of range `{range}` in chunks of {chunk_size}; correct the layer")]
    Range {
        /// The frame's number.
        number: i64,
        /// `layer.str_range`.
        range: String,
        /// `layer.int_chunk_size`.
        chunk_size: i64,
        /// The fault of the range.
        #[source]
        source: RangeError,
    },
    /// A chunk of no frames.
    #[error("layer {layer} has chunks of {chunk_size} frames; a chunk has at least one")]
    ChunkSize {
        /// The layer.
        layer: LayerId,
        /// `layer.int_chunk_size`.
        chunk_size: i64,
    },
    /// Hosts only take whole cores, and at least one.
    #[error("{centicores} centicores are no positive number of whole cores")]
    Cores {
        /// The reserved cores.
        centicores: i64,
    },
    /// A number too large for its field.
    #[error("{value} does not fit the 32 bits of {field}; correct the row")]
    TooLarge {
        /// The field of the message.
        field: &'static str,
        /// The value.
        value: i64,
    },
}

/// Builds the message that launches a booking of a frame of `layer`. `now_ms` is milliseconds since the Unix epoch;
/// `traceparent` is given to the frame's environment, so that the render can join the trace.
///
/// # Errors
/// The rows describe a frame that no host could run.
pub fn run_frame(
    booking: &Booking,
    layer: &LaunchLayer,
    now_ms: i64,
    traceparent: Option<&str>,
) -> Result<RunFrame, BuildError> {
    let reserved = &booking.reserved;
    let tokens = Tokens::of(&booking.frame.name, layer)?;
    if reserved.cores.0 <= 0 || reserved.cores.0 % 100 != 0 {
        return Err(BuildError::Cores {
            centicores: reserved.cores.0,
        });
    }
    let uid = layer.uid.map(|uid| narrow("uid", uid)).transpose()?;
    Ok(RunFrame {
        resource_id: booking.proc.to_string(),
        job_id: layer.job_id.to_string(),
        job_name: layer.job_name.clone(),
        frame_id: booking.frame.id.to_string(),
        frame_name: booking.frame.name.to_string(),
        layer_id: layer.layer_id.to_string(),
        command: tokens.replaced(&layer.command),
        user_name: layer.user.clone(),
        log_dir: layer.log_dir.clone(),
        show: layer.show_name.clone(),
        shot: layer.shot.clone(),
        start_time: now_ms,
        uid_optional: uid.map(UidOptional::Uid),
        num_cores: narrow("num_cores", reserved.cores.0)?,
        num_gpus: narrow("num_gpus", reserved.gpus)?,
        environment: environment((booking, layer), tokens.number, traceparent),
        os: os(booking, layer),
        soft_memory_limit: times(layer.memory_min, 8, 5),
        hard_memory_limit: times(layer.memory_min, 2, 1),
        loki_url: layer.loki_url.clone().unwrap_or_default(),
        stuck_detection_llu: layer.stuck_detection_llu,
        // The other fields stay empty (OPENCUE.md, RunFrame).
        ..RunFrame::default()
    })
}

/// The tokens of a command and what replaces them, in order: text that one of them put in can be
/// replaced by a later one, as layers have come to expect.
struct Tokens {
    number: i64,
    pairs: [(&'static str, String); 9],
}

impl Tokens {
    fn of(name: &Arc<str>, layer: &LaunchLayer) -> Result<Self, BuildError> {
        let number = frame_number(name).ok_or_else(|| BuildError::FrameName {
            name: Arc::clone(name),
        })?;
        let chunk_size = layer.chunk_size;
        if chunk_size <= 0 {
            return Err(BuildError::ChunkSize {
                layer: layer.layer_id.clone(),
                chunk_size,
            });
        }
        let chunk = layer
            .range
            .chunk(number, chunk_size)
            .map_err(|source| BuildError::Range {
                number,
                range: layer.range.as_str().to_owned(),
                chunk_size,
                source,
            })?;
        let pairs = [
            ("#ZFRAME#", format!("{number:04}")),
            ("#IFRAME#", number.to_string()),
            ("#FRAME_START#", number.to_string()),
            ("#FRAME_END#", chunk.last.to_string()),
            ("#FRAME_CHUNK#", chunk_size.to_string()),
            ("#LAYER#", layer.layer_name.clone()),
            ("#JOB#", layer.job_name.clone()),
            ("#FRAMESPEC#", chunk.spec),
            ("#FRAME#", name.to_string()),
        ];
        Ok(Self { number, pairs })
    }

    fn replaced(&self, command: &str) -> String {
        let mut command = command.to_owned();
        for (token, text) in &self.pairs {
            if command.contains(token) {
                command = command.replace(token, text);
            }
        }
        command
    }
}

/// The job's and the layer's variables, overlaid by those that every frame gets (OPENCUE.md, RunFrame).
fn environment(
    (booking, layer): (&Booking, &LaunchLayer),
    number: i64,
    traceparent: Option<&str>,
) -> HashMap<String, String> {
    let reserved = &booking.reserved;
    let ours = [
        ("CUE3", "1".to_owned()),
        ("CUE_THREADS", reserved.cores.whole().max(1).to_string()),
        ("CUE_MEMORY", reserved.memory.0.to_string()),
        ("CUE_GPUS", reserved.gpus.to_string()),
        ("CUE_GPU_MEMORY", reserved.gpu_memory.0.to_string()),
        ("CUE_LOG_PATH", layer.log_dir.clone()),
        ("CUE_RANGE", layer.range.as_str().to_owned()),
        ("CUE_CHUNK", layer.chunk_size.to_string()),
        ("CUE_IFRAME", number.to_string()),
        ("CUE_LAYER", layer.layer_name.clone()),
        ("CUE_JOB", layer.job_name.clone()),
        ("CUE_FRAME", booking.frame.name.to_string()),
        ("CUE_SHOW", layer.show_name.clone()),
        ("CUE_SHOT", layer.shot.clone()),
        ("CUE_USER", layer.user.clone()),
        ("CUE_JOB_ID", layer.job_id.to_string()),
        ("CUE_LAYER_ID", layer.layer_id.to_string()),
        ("CUE_FRAME_ID", booking.frame.id.to_string()),
        ("CUE_THREADABLE", i32::from(layer.threadable).to_string()),
    ];
    let mut all: HashMap<String, String> = layer.env.iter().cloned().collect();
    all.extend(ours.map(|(name, value)| (name.to_owned(), value)));
    all.extend(traceparent.map(|parent| ("TRACEPARENT".to_owned(), parent.to_owned())));
    all
}

fn os(booking: &Booking, layer: &LaunchLayer) -> String {
    let of_job = layer.os.as_deref().filter(|os| !os.is_empty());
    of_job
        .or(booking.host.os.as_deref())
        .unwrap_or_default()
        .to_owned()
}

/// `amount` times `up / down`, truncated, in whole numbers and without overflow.
fn times(amount: Kib, up: i128, down: i128) -> i64 {
    let product = i128::from(amount.0) * up / down;
    i64::try_from(product).unwrap_or(if product < 0 { i64::MIN } else { i64::MAX })
}

fn narrow(field: &'static str, value: i64) -> Result<i32, BuildError> {
    i32::try_from(value).map_err(|_| BuildError::TooLarge { field, value })
}
