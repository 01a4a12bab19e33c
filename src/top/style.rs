//! Styles and texts that views and tables share.

use ratatui::style::{Modifier, Style};

use crate::words::time;

/// Emphasis.
pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// Fainter than the rest in any theme: a grey of its own can be that of the background.
pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);

/// Time in one unit, or a dash if it is not known.
pub(super) fn timed(ms: Option<f64>) -> String {
    ms.map_or_else(|| "-".to_owned(), time)
}
