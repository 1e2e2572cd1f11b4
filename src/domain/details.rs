//! The interfaces to the details of items, which people see beside a link, and to the cache of them.

use std::pin::Pin;
use std::sync::Arc;

use super::{Answer, CallFailure, Caller, Item, MonotonicTime, ProjectIndex, Timestamp};

/// Asks one project of Nebuly's for the details of items.
pub trait ItemDetails: Send + Sync + 'static {
    /// Asks in one attempt, which costs the caller a token of its rate limit. It ends within seconds, and never panics on
    /// any answer.
    fn details<'a>(&'a self, item: &'a Item<'static>, caller: &'a Caller) -> DetailsFuture<'a>;
}

/// The future that [`ItemDetails::details`] returns.
pub type DetailsFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Answer<DetailFields>, CallFailure>> + Send + 'a>>;

/// The fields of Nebuly's answer that the operator allows, in the operator's order. A field that the answer lacks is not
/// among them, nor is one of whose value nothing is left (see [`DetailValue`]).
pub type DetailFields = Vec<(Arc<str>, DetailValue)>;

/// The details of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Details {
    /// The fields.
    pub fields: DetailFields,
    /// The time when Nebuly gave them.
    pub read_at: Timestamp,
}

/// The value of a field as Nebuly gave it, but without values deeper than one level, and with the first 1,000 members at
/// most.
#[derive(Debug, Clone, PartialEq)]
pub enum DetailValue {
    /// A value without members.
    Plain(PlainValue),
    /// A list.
    List(Vec<PlainValue>),
    /// An object: its members with their names.
    Object(Vec<(String, PlainValue)>),
}

/// A value without members.
#[derive(Debug, Clone, PartialEq)]
pub enum PlainValue {
    /// No value.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction, or a whole one that is too large for 64 bits.
    Decimal(f64),
    /// A text, cut at 1,000 characters.
    Text(String),
}

/// Keeps details for a short time, in this process alone.
pub trait DetailsCache: Send + Sync + 'static {
    /// The details of an item in a project, unless they are too old now.
    fn get(&self, project: ProjectIndex, item: &Item<'static>, now: MonotonicTime) -> Option<Arc<Details>>;

    /// Keeps the details that were read now.
    fn insert(&self, project: ProjectIndex, item: Item<'static>, details: Arc<Details>, now: MonotonicTime);
}
