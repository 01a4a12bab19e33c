//! Facts that a launch needs about the layer of a frame.

use crate::frame_range::{Chunk, FrameRange, RangeError};
use crate::ids::{JobId, LayerId};
use crate::units::Kib;

/// Facts that all frames of a layer share at launch (OPENCUE.md, RunFrame).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchLayer {
    /// `job.pk_job`.
    pub job_id: JobId,
    /// `job.str_name`.
    pub job_name: String,
    /// `job.str_show`, which is not always the show's name (OPENCUE.md, RunFrame).
    pub show_name: String,
    /// `job.str_shot`.
    pub shot: String,
    /// `job.str_user`.
    pub user: String,
    /// `job.str_log_dir`.
    pub log_dir: String,
    /// `job.int_uid`.
    pub uid: Option<i64>,
    /// `job.str_os`.
    pub os: Option<String>,
    /// `job.str_loki_url`.
    pub loki_url: Option<String>,
    /// `layer.pk_layer`.
    pub layer_id: LayerId,
    /// `layer.str_name`.
    pub layer_name: String,
    /// `layer.str_cmd`, with its tokens.
    pub command: String,
    /// `layer.str_range`.
    pub range: LayerRange,
    /// `layer.int_chunk_size`.
    pub chunk_size: i64,
    /// `layer.b_threadable`.
    pub threadable: bool,
    /// `layer.int_mem_min`, KiB.
    pub memory_min: Kib,
    /// `layer.int_stuck_detection_llu`, minutes; 0 is off, and where the column is missing (before V48).
    pub stuck_detection_llu: i32,
    /// `job_env` overlaid by `layer_env`; of two values of one name the later one counts.
    pub env: Vec<(String, String)>,
}

/// Frame range of a layer, parsed once for all of its frames. A text that is no range is kept too: the launch of a
/// frame fails by name then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerRange {
    text: String,
    parsed: Result<FrameRange, RangeError>,
}

impl LayerRange {
    /// The range as the database spells it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The chunk of `size` frames that begins with frame `number`.
    ///
    /// # Errors
    /// The text is no range, or the frame is not in it.
    pub fn chunk(&self, number: i64, size: i64) -> Result<Chunk, RangeError> {
        match &self.parsed {
            Ok(range) => range.chunk(number, size),
            Err(error) => Err(error.clone()),
        }
    }
}

impl From<String> for LayerRange {
    fn from(text: String) -> Self {
        let parsed = text.parse();
        Self { text, parsed }
    }
}

impl From<&str> for LayerRange {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}
