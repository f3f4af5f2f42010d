//! Tests of the client: the document's messages, streams that lie, and random streams beside a
//! naive model.

mod document;
mod hostile;
mod random;
mod script;
