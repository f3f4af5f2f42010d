//! Simulated exchanges on loopback.
