//! Sockets: connections are made on cold threads, then frames are read without blocking.

pub mod frame_reader;
pub mod receive_buffer;
pub mod socket_options;

pub mod wire;

pub mod web_socket;

pub mod connector;
