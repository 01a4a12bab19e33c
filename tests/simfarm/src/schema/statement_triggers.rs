//! The statement triggers that operators may install in place of two of OpenCue's row triggers.

/// Text of `config/sql/statement-triggers.sql`.
pub const INSTALL: &str = include_str!("../../../../config/sql/statement-triggers.sql");

/// Text of `config/sql/statement-triggers-undo.sql`.
pub const UNDO: &str = include_str!("../../../../config/sql/statement-triggers-undo.sql");
