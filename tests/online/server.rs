//! A web server whose answers are written by the test.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// What a request for a path and query is answered with: the bytes of the response.
type Answer = dyn Fn(&str) -> Vec<u8> + Send + Sync;

/// Serves answers on a free port until the process ends. Returns the base address.
pub(crate) fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> String {
    serve_by(move |path, stream| {
        // A client that has seen enough closes the connection.
        drop(stream.write_all(&answer(path)));
    })
}

/// Serves requests by a function that writes to the connection itself.
pub(crate) fn serve_by(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    let accept = move || {
        for stream in listener.incoming().flatten() {
            let answer = Arc::clone(&answer);
            start(move || one(stream, &*answer));
        }
    };
    start(accept);
    format!("http://{address}")
}

fn start(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().spawn(work).unwrap();
}

fn one(mut stream: TcpStream, answer: &dyn Fn(&str, &mut TcpStream)) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    answer(head.split(' ').nth(1).unwrap_or_default(), &mut stream);
}

/// A response with this status line and headers.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A good response.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    response("200 OK", "Content-Type: application/json\r\n", body)
}

/// Answers that serve the same bytes for every request.
pub(crate) fn always(bytes: Vec<u8>) -> Box<Answer> {
    Box::new(move |_| bytes.clone())
}
