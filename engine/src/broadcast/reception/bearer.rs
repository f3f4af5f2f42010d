//! The token that a request brings, where one is needed.
//!
//! It is in the header `Authorization: Bearer TOKEN`. A web page cannot set that header, so it may
//! offer the token as a subprotocol beside a real one, `bearer.TOKEN`, which is never selected. A
//! token in the address is not looked at, because addresses end up in logs and histories. No answer
//! repeats anything of a token.

use super::denial::{BAD, Denial, FORBIDDEN, UNAUTHORIZED, only, values};
use crate::broadcast::departure::Dismissal;
use crate::broadcast::token::{Token, TokenKind};
use std::sync::Arc;
use tungstenite::http::HeaderMap;
use tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

/// The scheme of the header.
const SCHEME: &str = "Bearer";
/// What stands before a token among the subprotocols.
const SUBPROTOCOL: &str = "bearer.";

/// Returns the name of the token that a request brings, if one is needed.
pub(super) fn check(tokens: &[Token], headers: &HeaderMap) -> Result<Option<Arc<str>>, Denial> {
    if tokens.is_empty() {
        return Ok(None);
    }
    let Some(secret) = offered(headers)? else {
        let sentence = "a token is needed: send Authorization: Bearer TOKEN, or offer the \
                        subprotocol bearer.TOKEN beside spreadwire.v1.json";
        return Err(denial(Dismissal::NoToken, UNAUTHORIZED, sentence));
    };
    let why = Dismissal::WrongToken;
    match Token::find(tokens, secret) {
        Some(Token { kind: TokenKind::Read, name, .. }) => Ok(Some(Arc::clone(name))),
        Some(Token { kind: TokenKind::Control, .. }) => {
            Err(denial(why, FORBIDDEN, "this token is for control; to read needs one for reading"))
        }
        None => Err(denial(why, UNAUTHORIZED, "this token is not known here")),
    }
}

/// Returns the one token of a request.
fn offered(headers: &HeaderMap) -> Result<Option<&str>, Denial> {
    let why = Dismissal::WrongToken;
    let Ok(header) = only(headers, AUTHORIZATION) else {
        return Err(denial(why, BAD, "a request has at most one Authorization header"));
    };
    let of_header = header.map(bearer).transpose()?;
    let listed = values(headers, SEC_WEBSOCKET_PROTOCOL).flat_map(|value| value.split(','));
    let mut of_list = listed.filter_map(|name| name.trim().strip_prefix(SUBPROTOCOL));
    match (of_header, of_list.next(), of_list.next()) {
        (token, None, None) | (None, token, None) => Ok(token),
        _ => Err(denial(why, BAD, "a request brings one token, once")),
    }
}

fn bearer(value: &str) -> Result<&str, Denial> {
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case(SCHEME) {
        return Ok(token.trim());
    }
    let sentence = "the scheme of Authorization is Bearer";
    Err(denial(Dismissal::WrongToken, UNAUTHORIZED, sentence))
}

fn denial(why: Dismissal, status: &'static str, sentence: &str) -> Denial {
    Denial { why, status, sentence: sentence.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spreadwire_config::secret::Secret;
    use tungstenite::http::HeaderName;

    const READ: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "0123456789abcdef0123456789abcde0";
    const CONTROL: &str = "c-0123456789abcdef0123456789abcdef";

    fn tokens() -> Vec<Token> {
        let token = |name: &str, kind, secret| {
            let (name, secret) = (Arc::from(name), Secret::new(secret).unwrap());
            Token { name, kind, secret }
        };
        vec![
            token("desk", TokenKind::Read, READ),
            token("other", TokenKind::Read, OTHER),
            token("admin", TokenKind::Control, CONTROL),
        ]
    }

    /// Returns the token's name, or the refusal's counter and status.
    fn outcome(lines: &[(HeaderName, String)]) -> Result<String, (Dismissal, &'static str)> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().unwrap());
        }
        match check(&tokens(), &headers) {
            Ok(name) => Ok(name.unwrap().to_string()),
            Err(denial) => {
                assert!(![READ, OTHER, CONTROL].iter().any(|it| denial.sentence.contains(it)));
                Err((denial.why, denial.status))
            }
        }
    }

    #[test]
    fn one_right_token_lets_in_and_everything_else_does_not() {
        let header = |value: String| (AUTHORIZATION, value);
        let offer = |value: String| (SEC_WEBSOCKET_PROTOCOL, value);
        let (none, wrong) = (Dismissal::NoToken, Dismissal::WrongToken);
        let desk = || Ok("desk".to_owned());
        for (lines, expected) in [
            (vec![header(format!("Bearer {READ}"))], desk()),
            (vec![header(format!("bearer  {READ} "))], desk()),
            (vec![header(format!("Bearer {OTHER}"))], Ok("other".to_owned())),
            (vec![offer(format!("spreadwire.v1.json, bearer.{READ}"))], desk()),
            (vec![offer(format!("bearer.{READ}")), offer("spreadwire.v1.bin".to_owned())], desk()),
            (vec![], Err((none, UNAUTHORIZED))),
            (vec![offer("spreadwire.v1.json".to_owned())], Err((none, UNAUTHORIZED))),
            (vec![header("Bearer".to_owned())], Err((wrong, UNAUTHORIZED))),
            (vec![header(format!("Basic {READ}"))], Err((wrong, UNAUTHORIZED))),
            (vec![header(READ.to_owned())], Err((wrong, UNAUTHORIZED))),
            (vec![header(format!("Bearer {READ}x"))], Err((wrong, UNAUTHORIZED))),
            (vec![header(format!("Bearer {}", &READ[1..]))], Err((wrong, UNAUTHORIZED))),
            (vec![header(format!("Bearer {}", READ.to_uppercase()))], Err((wrong, UNAUTHORIZED))),
            (vec![offer(format!("Bearer.{READ}"))], Err((none, UNAUTHORIZED))),
            (vec![header(format!("Bearer {CONTROL}"))], Err((wrong, FORBIDDEN))),
            (vec![header(format!("Bearer {READ}")); 2], Err((wrong, BAD))),
            (vec![offer(format!("bearer.{READ}, bearer.{READ}"))], Err((wrong, BAD))),
            (
                vec![header(format!("Bearer {READ}")), offer(format!("bearer.{READ}"))],
                Err((wrong, BAD)),
            ),
        ] {
            assert_eq!(outcome(&lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn without_tokens_nobody_needs_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(check(&[], &headers), Ok(None));
        headers.insert(AUTHORIZATION, "Basic whatever".parse().unwrap());
        assert_eq!(check(&[], &headers), Ok(None));
    }
}
