//! Scripted faults of the venues.
