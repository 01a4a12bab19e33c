//! Declaration of metrics: [`metrics!`](crate::metrics!) makes a struct whose fields are the families, each with
//! its name, help, and labels or buckets in one place, and a `new` that registers them.
//!
//! ```
//! use cue_flow::Labelled;
//! use prometheus::{Histogram, IntCounter, IntCounterVec, Registry};
//!
//! cue_flow::metrics! {
//!     /// Metrics of a shop.
//!     struct ShopMetrics {
//!         sold: IntCounter = "shop_sold_total", "Things sold";
//!         visits: IntCounterVec = "shop_visits_total", "Visits, by weekday", &["day"];
//!         asked: Labelled = "shop_asked_total", "Questions, by outcome", ("outcome", &["answered", "lost"]);
//!         seconds: Histogram = "shop_visit_seconds", "Time of a visit", vec![1.0, 60.0];
//!     }
//!     with {
//!         sundays: IntCounter = visits.with_label_values(&["sunday"]);
//!     }
//! }
//!
//! let registry = Registry::new();
//! let metrics = ShopMetrics::new(&registry).unwrap();
//! metrics.sold.inc();
//! metrics.sundays.inc();
//! metrics.asked.inc("lost");
//! metrics.seconds.observe(3.0);
//! assert_eq!((registry.gather().len(), metrics.visits.with_label_values(&["sunday"]).get()), (4, 1));
//! assert!(ShopMetrics::new(&registry).is_err(), "each name is registered once");
//! ```

use prometheus::core::Collector;
use prometheus::{
    Error, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry,
};

use crate::labelled::Labelled;

/// Names of labels.
type Labels = &'static [&'static str];

/// A type of metric family.
pub trait Family: Sized {
    /// Labels and buckets, as far as the type has them.
    type Shape;

    /// Makes the family and registers it.
    fn declare(
        registry: &Registry,
        name: &str,
        help: &str,
        shape: Self::Shape,
    ) -> Result<Self, Error>;
}

/// Registers a metric and hands it back.
fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> Result<C, Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

/// Implements [`Family`] by the expression that makes the metric.
macro_rules! family {
    ($($family:ty, $shape:ty: |$name:ident, $help:ident, $given:pat_param| $make:expr;)+) => {
        $(impl Family for $family {
            type Shape = $shape;

            fn declare(
                registry: &Registry,
                $name: &str,
                $help: &str,
                $given: $shape,
            ) -> Result<Self, Error> {
                registered(registry, $make?)
            }
        })+
    };
}

family! {
    IntCounter, (): |name, help, ()| Self::new(name, help);
    IntGauge, (): |name, help, ()| Self::new(name, help);
    Gauge, (): |name, help, ()| Self::new(name, help);
    Histogram, Vec<f64>: |name, help, buckets| {
        Self::with_opts(HistogramOpts::new(name, help).buckets(buckets))
    };
    IntCounterVec, Labels: |name, help, labels| Self::new(Opts::new(name, help), labels);
    IntGaugeVec, Labels: |name, help, labels| Self::new(Opts::new(name, help), labels);
    HistogramVec, (Labels, Vec<f64>): |name, help, (labels, buckets)| {
        Self::new(HistogramOpts::new(name, help).buckets(buckets), labels)
    };
}

impl Family for Labelled {
    /// The label, and its values that are known beforehand.
    type Shape = (&'static str, Labels);

    fn declare(
        registry: &Registry,
        name: &str,
        help: &str,
        (label, values): Self::Shape,
    ) -> Result<Self, Error> {
        let family = IntCounterVec::new(Opts::new(name, help), &[label])?;
        Ok(Self::new(registered(registry, family)?, values))
    }
}

/// Declares a struct of metric families, and its `new(&Registry)`. A field is
/// `name: Type = "family", "help", shape;`, where the shape is that of the type ([`Family::Shape`]) and
/// is left out if it is `()`. Fields in a block `given` are further arguments of `new`, and fields in a
/// block `with` are made from those before them.
#[macro_export]
macro_rules! metrics {
    (
        $(#[$about:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[$doc:meta])*
                $field_vis:vis $field:ident: $family:ty = $metric:expr, $help:expr $(, $shape:expr)?;
            )+
        }
        $(
            given { $( $(#[$given_doc:meta])* $given_vis:vis $given:ident: $given_type:ty; )+ }
        )?
        $(
            with { $( $(#[$made_doc:meta])* $made_vis:vis $made:ident: $type:ty = $value:expr; )+ }
        )?
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        $vis struct $name {
            $( $(#[$doc])* $field_vis $field: $family, )+
            $( $( $(#[$given_doc])* $given_vis $given: $given_type, )+ )?
            $( $( $(#[$made_doc])* $made_vis $made: $type, )+ )?
        }

        impl $name {
            /// Registers the families.
            $vis fn new(
                registry: &::prometheus::Registry,
                $( $( $given: $given_type, )+ )?
            ) -> Result<Self, ::prometheus::Error> {
                $(
                    let $field = <$family as $crate::Family>::declare(
                        registry, $metric, $help, $crate::metrics!(@shape $($shape)?),
                    )?;
                )+
                $( $( let $made = $value; )+ )?
                Ok(Self { $( $field, )+ $( $( $given, )+ )? $( $( $made, )+ )? })
            }
        }
    };
    (@shape) => { () };
    (@shape $shape:expr) => { $shape };
}
