//! Runs the fuzz targets of what clients send on fixed inputs; `fuzz/README.md` describes the long
//! run.

#[path = "../../fuzz/bodies/client_frames.rs"]
mod client_frames;
#[path = "../../fuzz/bodies/client_requests.rs"]
mod client_requests;
#[path = "../../fuzz/bodies/client_upgrade.rs"]
mod client_upgrade;

use spreadwire_kit::noise::noise;

#[test]
fn frames_of_any_bytes_end_and_are_the_same_in_other_pieces() {
    for seed in 0..5_000 {
        let mut bytes = noise(seed, 40);
        client_frames::run(&bytes);
        // Most noise ends at its first byte: begin with a sound frame's.
        bytes[1] = [0x81, 0x01, 0x82, 0x02, 0x88, 0x89, 0x8A][usize::from(bytes[1]) % 7];
        bytes[2] = 0x80 | (bytes[2] % 30);
        client_frames::run(&bytes);
    }
    let parts = [&[1, 0x01, 0x80, 0, 0, 0, 0][..], &[0x00, 0x80, 0, 0, 0, 0].repeat(100)].concat();
    client_frames::run(&parts);
}

#[test]
fn requests_of_any_text_are_answered_or_not_json() {
    let sound = [
        r#"{"op":"subscribe","id":"a","instruments":["BTC/USDT"],"venues":["okx"],"min_net_bps":2.5}"#,
        r#"{"op":"unsubscribe","id":"mine"}"#,
        r#"{"op":"ping","id":"now"}"#,
        r#"{"op":"ping","id":1e400,"x":[[[{}]]],"y":"\ud800"}"#,
        r#"{"op":"subscribe","venues":["","okex","0123456789012345678901234567890123456789"]}"#,
    ];
    for (number, text) in sound.iter().enumerate() {
        client_requests::run(text.as_bytes());
        for seed in 0..2_000 {
            let noise = noise(10_000 * number as u64 + seed, 4);
            let mut bytes = text.as_bytes().to_vec();
            let at = usize::from(noise[0]) % bytes.len();
            bytes[at] = noise[1] % 128;
            client_requests::run(&bytes);
            client_requests::run(&bytes[..at]);
        }
    }
    for character in ["\u{1}", "\u{10FFFF}", "\"", "é"] {
        let long = serde_json::json!({"op": "ping", character.repeat(4_000): 1}).to_string();
        client_requests::run(long.as_bytes());
        let long = serde_json::json!({"op": "subscribe", "venues": [character.repeat(4_000)]});
        client_requests::run(long.to_string().as_bytes());
    }
}

#[test]
fn upgrades_of_any_bytes_are_answered_the_same_whatever_follows() {
    client_upgrade::run(b"");
    for seed in 0..5_000 {
        let noise = noise(seed, 8);
        client_upgrade::run(&noise[..2]);
        client_upgrade::run(&noise);
    }
}
