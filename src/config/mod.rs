//! The configuration file: text in, a [`Spec`] with places and [`Finding`]s out.
//!
//! Nothing is opened, resolved or served here: `load` reads the files and turns specs into a
//! snapshot. One table a section ([`sections`]) drives the reader, the schema and the docs.

pub mod codes;
pub mod expect;
mod finding;
pub mod manual;
mod place;
mod reader;
pub mod render;
pub mod sarif;
pub mod schema;
pub mod sections;
mod settings;
pub mod spec;
mod suggest;
mod token;
mod typed;
pub mod value;

pub use finding::{Code, Finding, Severity, has_errors, sort};
pub use place::{Place, Source, Spanned};
pub use settings::{CacheConfig, Config};
pub use spec::{ClientDetail, LogSpec, QueryLevel, Spec};
pub use suggest::suggest;
pub use token::{BadToken, Token};
pub use typed::{duplicate_names, read_expectations, read_included, read_main};
pub use value::name::{DnsName, Owner, Pattern};
