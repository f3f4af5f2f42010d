//! Converts JSON messages to the form that readers of the binary protocol return: one value per
//! message.

use serde_json::{Value, json};

/// Converts JSON messages to the form that readers of the binary protocol return: a snapshot's
/// items follow its head.
pub fn flattened(messages: &[Value]) -> Vec<Value> {
    let mut flat = Vec::new();
    for message in messages {
        let mut head = message.clone();
        let mut items = Vec::new();
        if message["type"] == "snapshot" {
            for (field, kind) in [("states", "status"), ("spreads", "spread")] {
                let listed = message[field].as_array().unwrap();
                head[field] = json!(listed.len());
                items.extend(listed.iter().map(|item| {
                    let mut item = item.clone();
                    item["type"] = json!(kind);
                    item["in_snapshot"] = json!(true);
                    item
                }));
            }
        }
        flat.push(head);
        flat.append(&mut items);
    }
    flat
}
