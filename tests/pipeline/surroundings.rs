//! What surrounds an engine.
