//! Identifiers of rows, kept as the database spells them.
//!
//! An id is text and stays text: seed rows of OpenCue carry upper-case hex, and an id that is
//! parsed and printed back would no longer match its own row (OPENCUE.md, Words and units).

use std::fmt;
use std::sync::Arc;

/// Defines a type of ids for each kind of row.
macro_rules! ids {
    ($($name:ident of $row:literal),+ $(,)?) => {$(
        #[doc = concat!("Primary key of a row of `", $row, "`. Cloning is a reference count.")]
        #[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as the database spells it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    FacilityId of "facility",
    ShowId of "show",
    AllocId of "alloc",
    FolderId of "folder",
    DeptId of "dept",
    JobId of "job",
    LayerId of "layer",
    FrameId of "frame",
    HostId of "host",
    ProcId of "proc",
    LimitId of "limit_record",
}

#[cfg(test)]
mod tests {
    use super::JobId;

    #[test]
    fn an_id_keeps_the_spelling_of_its_row() {
        assert_eq!(JobId::from("AAAA-bb").to_string(), "AAAA-bb");
        assert_ne!(JobId::from("AAAA-bb"), JobId::from("aaaa-bb"));
    }
}
