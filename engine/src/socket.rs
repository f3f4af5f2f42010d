//! Sockets: from the connection's making on a cold thread to frames read without blocking.

pub mod frame_reader;
pub mod receive_buffer;
pub mod socket_options;

pub mod wire;

pub mod web_socket;

pub mod connector;
