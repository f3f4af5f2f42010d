//! Proves where the broadcast listens and who may connect, and that the two go together.
//!
//! Beyond loopback, everyone on the way reads what is not encrypted, and everyone who reaches the
//! port reads what needs no token. That is refused unless a key says that it is meant.

use crate::broadcast::endpoint::Endpoint;
use crate::broadcast::tls::ServerTls;
use crate::broadcast::token::{Token, TokenKind};
use spreadwire_config::config::{self, Config, TOKEN_KIND_DEFAULT};
use spreadwire_config::secret::{Secret, Source};
use spreadwire_market::problem::Faults;
use std::sync::Arc;

/// Most characters of a token's name.
const NAME_MAX: usize = 32;
/// Most tokens: each one is compared with what every connection brings.
const TOKENS_MAX: usize = 64;

/// Proves where the broadcast listens.
pub(super) fn endpoint(config: &Config, faults: &mut Faults) -> Option<Endpoint> {
    let broadcast = &config.broadcast;
    let Ok(endpoint) = broadcast.address.parse::<Endpoint>() else {
        let reason = format!("{:?} is no address", broadcast.address);
        let remedy = "write ip:port, as 127.0.0.1:8181, or unix: and a path of up to 90 bytes";
        faults.add("broadcast.address", reason, remedy);
        return None;
    };
    if let Endpoint::Unix(path) = &endpoint {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if !folder.is_none_or(std::path::Path::is_dir) || path.file_name().is_none() {
            let reason = format!("the folder of {} does not exist", path.display());
            let remedy = "make it, or set RuntimeDirectory in the unit";
            faults.add("broadcast.address", reason, remedy);
        }
    }
    refuse_exposure(&endpoint, config, faults);
    Some(endpoint)
}

/// Refuses an address that others reach without TLS and a token.
fn refuse_exposure(endpoint: &Endpoint, config: &Config, faults: &mut Faults) {
    let has_token = config.tokens.iter().any(|token| kind_of(token) == Some(TokenKind::Read));
    let is_guarded = config.broadcast.certificate.is_some() && has_token;
    if is_guarded || !endpoint.is_beyond_this_host() || config.broadcast.allow_open_access {
        return;
    }
    let reason = format!(
        "{endpoint} is beyond loopback: without TLS and a token, whoever reaches it or is on the \
         way reads the stream"
    );
    let remedy = "set broadcast.certificate, broadcast.private_key and [[tokens]], or listen on \
                  127.0.0.1 or a unix: path, or set broadcast.allow_open_access = true if this is \
                  meant";
    faults.add("broadcast.address", reason, remedy);
}

fn kind_of(token: &config::Token) -> Option<TokenKind> {
    TokenKind::of_name(token.kind.as_deref().unwrap_or(TOKEN_KIND_DEFAULT))
}

/// Proves the certificate and its key; `None` if the server speaks no TLS.
pub(super) fn tls(config: &Config, faults: &mut Faults) -> Option<ServerTls> {
    let config::Broadcast { certificate, private_key, address, .. } = &config.broadcast;
    let (certificate, private_key) = match (certificate, private_key) {
        (None, None) => return None,
        (Some(certificate), Some(private_key)) => (certificate, private_key),
        (Some(_), None) => {
            let reason = "it is missing, though there is a certificate";
            faults.add("broadcast.private_key", reason, "name the PEM file of its private key");
            return None;
        }
        (None, Some(_)) => {
            let reason = "it is missing, though there is a private key";
            faults.add("broadcast.certificate", reason, "name the PEM file of its certificate");
            return None;
        }
    };
    if matches!(address.parse(), Ok(Endpoint::Unix(_))) {
        let reason = "a Unix socket has no use for it: nobody is on the way";
        faults.add("broadcast.certificate", reason, "remove it, and broadcast.private_key");
        return None;
    }
    let loaded = ServerTls::load(certificate, private_key);
    loaded.map_err(|bad| faults.add(bad.key, bad.reason, bad.remedy)).ok()
}

/// Proves `[[tokens]]`, and reads the secrets.
pub(super) fn tokens(config: &Config, faults: &mut Faults) -> Vec<Token> {
    if TOKENS_MAX < config.tokens.len() {
        let reason = format!("there are {}", config.tokens.len());
        faults.add("tokens", reason, format!("write {TOKENS_MAX} at most"));
    }
    let mut proved: Vec<Token> = Vec::new();
    for (place, token) in config.tokens.iter().enumerate() {
        let key = |field: &str| format!("tokens[{place}].{field}");
        if !is_name(&token.name) {
            let reason = format!("{:?} is no name of a token", token.name);
            let remedy = format!("write 1 to {NAME_MAX} letters, digits, and - . _");
            faults.add(&key("name"), reason, remedy);
        }
        if config.tokens[..place].iter().any(|other| other.name == token.name) {
            let reason = format!("token {:?} stands twice", token.name);
            faults.add(&key("name"), reason, "give it another name");
        }
        let kind = kind_of(token);
        if kind.is_none() {
            let reason = format!("{:?} is no kind of token", token.kind.as_deref().unwrap_or(""));
            faults.add(&key("kind"), reason, "write \"read\" or \"control\"");
        }
        let secret = secret(token, &format!("tokens[{place}]"), faults);
        if let Some(other) = proved.iter().find(|other| Some(&other.secret) == secret.as_ref()) {
            let reason = format!("it has the secret of {:?}", other.name);
            faults.add(&format!("tokens[{place}]"), reason, "make one with: openssl rand -hex 32");
        }
        if let (Some(kind), Some(secret)) = (kind, secret) {
            proved.push(Token { name: Arc::from(token.name.as_str()), kind, secret });
        }
    }
    proved
}

fn is_name(text: &str) -> bool {
    let is_sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=NAME_MAX).contains(&text.len()) && text.chars().all(is_sound)
}

/// Reads a token's secret from its one source.
fn secret(token: &config::Token, key: &str, faults: &mut Faults) -> Option<Secret> {
    let sources = [
        token.env.clone().map(|name| ("env", Source::Environment(name))),
        token.credential.clone().map(|name| ("credential", Source::Credential(name))),
        token.file.clone().map(|path| ("file", Source::File(path))),
    ];
    let mut named = sources.into_iter().flatten();
    let (Some((field, source)), None) = (named.next(), named.next()) else {
        let reason = "it does not name exactly one source of its secret";
        faults.add(key, reason, "write one of env, credential and file");
        return None;
    };
    let read = source.read();
    read.map_err(|bad| faults.add(&format!("{key}.{field}"), bad.reason, bad.remedy)).ok()
}
