//! No code. The manifest of this package declares one set of features for the crates that our packages
//! reach through others, so that building one package after another never builds a dependency again.
#![no_std]
