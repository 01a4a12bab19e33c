//! Declares the settings of one topic: the struct, its documentation and its reading, at once.
//!
//! Invariant: a field, its key, variable, default, rule and sentence stand together in one place,
//! and the sentence in the reference is the field's own documentation.

/// Makes a struct with one public field a setting, and `fn read(&mut Reader) -> Option<Self>`.
macro_rules! topic {
    (
        $(#[doc = $about:literal])+
        $name:ident in $section:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $default:expr, $env:literal $(or $also:literal)?, $rule:expr;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        impl $name {
            pub(super) fn read(reader: &mut $crate::config::reader::Reader<'_>) -> Option<Self> {
                Some(Self {
                    $(
                        $field: reader.read(
                            $crate::config::reader::Setting {
                                key: concat!($section, ".", stringify!($field)),
                                env: $env,
                                also: <[&'static str]>::first(&[$($also)?]).copied(),
                                default: $default,
                                doc: concat!($($doc),+).trim_ascii(),
                            },
                            $rule,
                        )?,
                    )+
                })
            }
        }
    };
}

pub(super) use topic;
