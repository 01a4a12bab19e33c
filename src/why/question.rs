//! A question: its subject, and what the answer must have.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use cue_domain::why::{Change, ChangeError};
use serde::Deserialize;

/// A question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Question {
    /// Its id, or its name: JOB, JOB/LAYER, JOB/FRAME, show:SHOW or host:HOST.
    #[arg(value_name = "WHAT", value_parser = NonEmptyStringValueParser::new())]
    pub name: String,
    /// Answer for each layer of the job.
    #[arg(long)]
    pub layers: bool,
    /// Say also what would keep it with other amounts or tags, as mem=32GiB,cores=16,tags=general|big.
    #[arg(long = "if", value_name = "CHANGES")]
    pub change: Option<Change>,
}

/// The part of a question behind the `?` of its path.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// Answers for each layer.
    pub layers: bool,
    /// The change.
    pub r#if: Option<String>,
}

/// Subject of a question that is no job, layer or frame.
pub(super) enum Subject<'a> {
    /// A show, by name.
    Show(&'a str),
    /// A host, by name or id.
    Host(&'a str),
}

impl Question {
    /// A question about the subject, with these parameters.
    ///
    /// # Errors
    /// The change cannot be read.
    pub fn new(name: &str, parameters: &Parameters) -> Result<Self, ChangeError> {
        let change = parameters.r#if.as_deref().map(str::parse);
        Ok(Self {
            name: name.to_owned(),
            layers: parameters.layers,
            change: change.transpose()?,
        })
    }

    /// The show or host that the question is about, if it is about one.
    pub(super) fn farm_subject(&self) -> Option<Subject<'_>> {
        let show = self.name.strip_prefix("show:").map(Subject::Show);
        show.or_else(|| self.name.strip_prefix("host:").map(Subject::Host))
    }

    /// The part after the name in the path of the question.
    pub(super) fn parameters(&self, encoded: impl Fn(&str) -> String) -> String {
        let layers = self.layers.then(|| "layers=true".to_owned());
        let change = self.change.as_ref();
        let change = change.map(|change| format!("if={}", encoded(&change.to_string())));
        let parts: Vec<String> = layers.into_iter().chain(change).collect();
        if parts.is_empty() {
            String::new()
        } else {
            format!("?{}", parts.join("&"))
        }
    }
}
