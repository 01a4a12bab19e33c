//! Rows of answers, and reading their columns.

use std::sync::Arc;

use cue_domain::job::Room;
use cue_domain::{Centicores, Kib, Layer, MemoryReport, Resources, tags};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgHasArrayType, PgRow, PgTypeInfo, PgValueRef};
use sqlx::{Column, Decode, Postgres, Row as _, Type};

use crate::error::StoreError;
use crate::statements::Statement;

/// A row of the answer to a statement.
#[derive(Debug)]
pub(crate) struct Row {
    columns: PgRow,
    statement: &'static str,
}

impl Row {
    pub(crate) const fn new(columns: PgRow, statement: &'static str) -> Self {
        Self { columns, statement }
    }

    /// Reads one column. The error names the statement and the column.
    pub(crate) fn get<'r, T>(&'r self, column: &str) -> Result<T, StoreError>
    where
        T: Decode<'r, Postgres> + Type<Postgres>,
    {
        let value = self.columns.try_get(column);
        value.map_err(|source| StoreError::Failed {
            statement: self.statement,
            source,
        })
    }

    /// Reads an id.
    pub(crate) fn id<I: From<String>>(&self, column: &str) -> Result<I, StoreError> {
        self.get::<String>(column).map(I::from)
    }

    /// Reads a text that is only shown to people; signs that cannot be read are replaced.
    pub(crate) fn shown(&self, column: &str) -> Result<String, StoreError> {
        self.get(column).map(Text::shown)
    }

    /// Reads texts that are only shown to people; signs that cannot be read are replaced.
    pub(crate) fn all_shown(&self, column: &str) -> Result<Vec<String>, StoreError> {
        let texts: Vec<Text> = self.get(column)?;
        Ok(texts.into_iter().map(Text::shown).collect())
    }

    /// Reads the idle amounts of a host.
    pub(crate) fn idle(&self) -> Result<Resources, StoreError> {
        self.amounts([
            "int_cores_idle",
            "int_mem_idle",
            "int_gpus_idle",
            "int_gpu_mem_idle",
        ])
    }

    /// Reads the totals of a host.
    pub(crate) fn total(&self) -> Result<Resources, StoreError> {
        self.amounts(["int_cores", "int_mem", "int_gpus", "int_gpu_mem"])
    }

    /// Reads the amounts that the procs of a host hold.
    pub(crate) fn held(&self) -> Result<Resources, StoreError> {
        self.amounts(["cores_held", "mem_held", "gpus_held", "gpu_mem_held"])
    }

    /// Reads cores, memory, GPUs and GPU memory from these columns.
    pub(crate) fn amounts(&self, columns: [&str; 4]) -> Result<Resources, StoreError> {
        let [cores, memory, gpus, gpu_memory] = columns;
        Ok(Resources {
            cores: Centicores(self.get(cores)?),
            memory: Kib(self.get(memory)?),
            gpus: self.get(gpus)?,
            gpu_memory: Kib(self.get(gpu_memory)?),
        })
    }

    /// Reads the room under the caps of a folder.
    pub(crate) fn folder_room(&self) -> Result<Room, StoreError> {
        let cores: Option<i64> = self.get("folder_cores_left")?;
        Ok(Room {
            cores: cores.map(Centicores),
            gpus: self.get("folder_gpus_left")?,
        })
    }

    /// Reads the free memory that a host reported last.
    pub(crate) fn memory_report(&self) -> Result<MemoryReport, StoreError> {
        Ok(MemoryReport {
            free: Kib(self.get("mem_free")?),
            gpu_free: Kib(self.get("gpu_mem_free")?),
        })
    }

    /// Reads a layer from the columns that all statements share which return layers.
    pub(crate) fn layer(&self) -> Result<Layer, StoreError> {
        let cores_max: i64 = self.get("int_cores_max")?;
        let tags: String = self.get("str_tags")?;
        Ok(Layer {
            id: self.id("pk_layer")?,
            name: self.get::<String>("layer_name")?.into(),
            dispatch_order: self.get("int_dispatch_order")?,
            cores_min: Centicores(self.get("int_cores_min")?),
            cores_max: (cores_max > 0).then_some(Centicores(cores_max)),
            memory_min: Kib(self.get("int_mem_min")?),
            gpus_min: self.get("int_gpus_min")?,
            gpu_memory_min: Kib(self.get("int_gpu_mem_min")?),
            threadable: self.get("b_threadable")?,
            services: names(&self.get::<String>("str_services")?),
            tags: tags::alternatives(&tags).into(),
            waiting: self.get("int_waiting_count")?,
        })
    }

    /// The last key among the columns, as `pk_layer 1234`.
    pub(crate) fn key(&self) -> String {
        let columns = self.columns.columns().iter().rev().map(Column::name);
        let mut keys = columns.filter(|name| name.starts_with("pk_"));
        let found =
            keys.find_map(|name| Some(format!("{name} {}", self.get::<String>(name).ok()?)));
        found.unwrap_or_else(|| "a row".to_owned())
    }
}

/// Names in a list with commas.
pub(crate) fn names<C: FromIterator<Arc<str>>>(list: &str) -> C {
    let names = list.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(Arc::from)
        .collect()
}

/// The first row of an answer that has at least one.
pub(crate) fn first<'r>(rows: &'r [Row], statement: &Statement) -> Result<&'r Row, StoreError> {
    rows.first().ok_or(StoreError::Failed {
        statement: statement.name,
        source: sqlx::Error::RowNotFound,
    })
}

/// A text as the database holds it.
#[derive(Debug)]
pub(crate) enum Text {
    /// It is UTF-8.
    Readable(String),
    /// It is not; what is left of it, to be shown.
    Unreadable(String),
}

impl Text {
    pub(crate) fn shown(self) -> String {
        match self {
            Self::Readable(text) | Self::Unreadable(text) => text,
        }
    }
}

impl Type<Postgres> for Text {
    fn type_info() -> PgTypeInfo {
        <String as Type<Postgres>>::type_info()
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        <String as Type<Postgres>>::compatible(ty)
    }
}

impl PgHasArrayType for Text {
    fn array_type_info() -> PgTypeInfo {
        String::array_type_info()
    }

    fn array_compatible(ty: &PgTypeInfo) -> bool {
        String::array_compatible(ty)
    }
}

impl<'r> Decode<'r, Postgres> for Text {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let bytes = value.as_bytes()?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Self::Readable(text.to_owned()),
            Err(_) => Self::Unreadable(String::from_utf8_lossy(bytes).into_owned()),
        })
    }
}
