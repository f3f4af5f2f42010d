//! Sockets: connections are made on cold threads, then frames are read without blocking.

pub mod connect_error;
pub mod frame_reader;
pub mod gate;
pub mod lookup;
pub mod receive_buffer;
pub mod socket_options;

pub mod wire;

mod race;

pub mod web_socket;

pub mod connector;
