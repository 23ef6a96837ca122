//! SCRAM-SHA-256: a client proves that it knows a password without showing it. [RFC 5802] [RFC 7677]

use core::fmt;
use std::collections::BTreeMap;
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{Entropy, Exchange, Step, base64};
use crate::ReasonCode;

/// The stored credentials of a password. They suffice to check it, and not to log in with it.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramCredentials {
    salt: Vec<u8>,
    iterations: u32,
    stored_key: Key,
    server_key: Key,
}

type Key = [u8; 32];

impl ScramCredentials {
    /// Derives the credentials of `password`. The salt should be another for every user; RFC 7677 asks for 4096
    /// iterations at least, and every login by password costs as many.
    #[must_use]
    pub fn new(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let salted = salted_password(password, salt, iterations);
        Self {
            salt: salt.to_vec(),
            iterations,
            stored_key: hash(&hmac(&salted, b"Client Key")),
            server_key: hmac(&salted, b"Server Key"),
        }
    }

    /// Whether this is the password.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        let salted = salted_password(password, &self.salt, self.iterations);
        let stored_key = hash(&hmac(&salted, b"Client Key"));
        stored_key.ct_eq(&self.stored_key).into()
    }

    /// Credentials without a password, always the same for one user and seed, so that an unknown user looks like a
    /// known one.
    pub(super) fn decoy(seed: &[u8], username: &str, iterations: u32) -> Self {
        let salt = hmac(seed, username.as_bytes());
        let [salt @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = salt;
        Self {
            salt: salt.to_vec(),
            iterations,
            stored_key: hmac(seed, &salt),
            server_key: hmac(seed, b"Server Key"),
        }
    }
}

/// Without the keys.
impl fmt::Debug for ScramCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramCredentials")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}

/// The server's side of one exchange.
#[derive(Debug)]
pub struct ScramSha256 {
    users: Arc<BTreeMap<String, ScramCredentials>>,
    entropy: Entropy,
    state: State,
}

#[derive(Debug)]
enum State {
    Start,
    /// The server's first message was sent.
    Challenged(Challenge),
    Over,
}

#[derive(Debug)]
struct Challenge {
    username: String,
    /// `None` for an unknown user.
    credentials: Option<ScramCredentials>,
    gs2_header: String,
    nonce: String,
    /// `client-first-message-bare`, a comma, and `server-first-message`.
    messages: String,
}

impl ScramSha256 {
    /// The Authentication Method.
    pub const METHOD: &'static str = "SCRAM-SHA-256";

    /// Starts an exchange with one of `users`, by user name.
    #[must_use]
    pub fn new(users: Arc<BTreeMap<String, ScramCredentials>>, entropy: Entropy) -> Self {
        Self {
            users,
            entropy,
            state: State::Start,
        }
    }

    fn challenge(&self, message: &str) -> Option<(Challenge, Vec<u8>)> {
        let first = ClientFirst::parse(message)?;
        let known = self.users.get(&first.username).cloned();
        let entropy = &self.entropy;
        let credentials = known.clone().unwrap_or_else(|| {
            let iterations = self.users.values().map(|user| user.iterations).max();
            let iterations = iterations.unwrap_or(ITERATIONS_MIN);
            ScramCredentials::decoy(&entropy.seed, &first.username, iterations)
        });
        let server_nonce = hmac(&entropy.seed, &entropy.count.to_be_bytes());
        let nonce = format!("{}{}", first.nonce, base64::encode(&server_nonce));
        let salt = base64::encode(&credentials.salt);
        let server_first = format!("r={nonce},s={salt},i={}", credentials.iterations);
        let challenge = Challenge {
            username: first.username,
            credentials: known,
            gs2_header: first.gs2_header,
            nonce,
            messages: format!("{},{server_first}", first.bare),
        };
        Some((challenge, server_first.into_bytes()))
    }
}

impl Exchange for ScramSha256 {
    fn step(&mut self, data: &[u8]) -> Step {
        let message = str::from_utf8(data).ok();
        match core::mem::replace(&mut self.state, State::Over) {
            // A client may leave its first message to its first AUTH.
            State::Start if data.is_empty() => {
                self.state = State::Start;
                Step::Continue(Vec::new())
            }
            State::Start => match message.and_then(|message| self.challenge(message)) {
                Some((challenge, server_first)) => {
                    self.state = State::Challenged(challenge);
                    Step::Continue(server_first)
                }
                None => Step::Failure(ReasonCode::NotAuthorized),
            },
            State::Challenged(challenge) => {
                match message.and_then(|message| challenge.verify(message)) {
                    Some(server_final) => Step::Success {
                        username: Some(challenge.username),
                        data: server_final,
                    },
                    None => Step::Failure(ReasonCode::NotAuthorized),
                }
            }
            State::Over => Step::Failure(ReasonCode::ProtocolError),
        }
    }
}

impl Challenge {
    /// The server's last message, if the client's proves that it knows the password.
    fn verify(&self, client_final: &str) -> Option<Vec<u8>> {
        let (without_proof, proof) = client_final.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let channel_binding = attributes.next()?.strip_prefix("c=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let binds_no_channel = base64::decode(channel_binding)? == self.gs2_header.as_bytes();
        if !binds_no_channel || nonce != self.nonce {
            return None;
        }
        let credentials = self.credentials.as_ref()?;
        let auth_message = format!("{},{without_proof}", self.messages);
        let signature = hmac(&credentials.stored_key, auth_message.as_bytes());
        let mut client_key: Key = base64::decode(proof)?.try_into().ok()?;
        client_key
            .iter_mut()
            .zip(signature)
            .for_each(|(key, mask)| *key ^= mask);
        let proven: bool = hash(&client_key).ct_eq(&credentials.stored_key).into();
        proven.then(|| {
            let signature = hmac(&credentials.server_key, auth_message.as_bytes());
            format!("v={}", base64::encode(&signature)).into_bytes()
        })
    }
}

/// The client's first message.
struct ClientFirst {
    gs2_header: String,
    bare: String,
    username: String,
    nonce: String,
}

impl ClientFirst {
    fn parse(message: &str) -> Option<Self> {
        // No channel binding here, so `p=` is refused; an authorization identity must be absent.
        let gs2_header = ["n,,", "y,,"];
        let gs2_header = gs2_header.into_iter().find(|h| message.starts_with(h))?;
        let bare = message.strip_prefix(gs2_header)?;
        // An `m=` in front would be a mandatory extension, and none is known here.
        let mut attributes = bare.split(',');
        let username = unescape(attributes.next()?.strip_prefix("n=")?)?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let printable = nonce.bytes().all(|byte| byte.is_ascii_graphic());
        (printable && !nonce.is_empty()).then(|| Self {
            gs2_header: gs2_header.to_owned(),
            bare: bare.to_owned(),
            username,
            nonce: nonce.to_owned(),
        })
    }
}

/// The minimum of RFC 7677.
pub(super) const ITERATIONS_MIN: u32 = 4096;

/// A user name as it was before `=2C` stood for `,` and `=3D` for `=`.
fn unescape(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut unescaped = parts.next()?.to_owned();
    for part in parts {
        let (character, rest) = match part.strip_prefix("2C") {
            Some(rest) => (',', rest),
            None => ('=', part.strip_prefix("3D")?),
        };
        unescaped.push(character);
        unescaped.push_str(rest);
    }
    Some(unescaped)
}

fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> Key {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations)
}

fn hash(bytes: &[u8]) -> Key {
    Sha256::digest(bytes).into()
}

fn hmac(key: &[u8], message: &[u8]) -> Key {
    let Ok(mac) = <Hmac<Sha256> as Mac>::new_from_slice(key) else {
        unreachable!("HMAC takes keys of any length")
    };
    mac.chain_update(message).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(count: u64) -> ScramSha256 {
        let credentials = ScramCredentials::new(b"pencil", b"some salt", ITERATIONS_MIN);
        let users = BTreeMap::from([("us,er".to_owned(), credentials)]);
        ScramSha256::new(
            Arc::new(users),
            Entropy {
                seed: [7; 32],
                count,
            },
        )
    }

    fn first(exchange: &mut ScramSha256, message: &str) -> String {
        match exchange.step(message.as_bytes()) {
            Step::Continue(data) => String::from_utf8(data).unwrap(),
            step => panic!("{step:?}"),
        }
    }

    /// The answer of a client that knows the password.
    fn client_final(client_first_bare: &str, server_first: &str) -> (String, String) {
        let nonce = &server_first[2..server_first.find(',').unwrap()];
        let without_proof = format!("c=biws,r={nonce}");
        let auth_message = format!("{client_first_bare},{server_first},{without_proof}");
        let salted = salted_password(b"pencil", b"some salt", ITERATIONS_MIN);
        let client_key = hmac(&salted, b"Client Key");
        let signature = hmac(&hash(&client_key), auth_message.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(signature)
            .map(|(a, b)| a ^ b)
            .collect();
        let server_signature = hmac(&hmac(&salted, b"Server Key"), auth_message.as_bytes());
        (
            format!("{without_proof},p={}", base64::encode(&proof)),
            format!("v={}", base64::encode(&server_signature)),
        )
    }

    /// The example of RFC 7677, section 3.
    #[test]
    fn the_example_of_rfc_7677_is_verified() {
        let salt = base64::decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let challenge = Challenge {
            username: "user".into(),
            credentials: Some(ScramCredentials::new(b"pencil", &salt, 4096)),
            gs2_header: "n,,".into(),
            nonce: nonce.into(),
            messages: format!(
                "n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
            ),
        };
        let client_final =
            format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let server_final = challenge.verify(&client_final).unwrap();
        assert_eq!(
            server_final,
            b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }

    #[test]
    fn a_client_with_the_password_is_accepted_and_gets_the_server_signature() {
        let mut exchange = exchange(1);
        let server_first = first(&mut exchange, "n,,n=us=2Cer,r=abc");
        assert!(server_first.starts_with("r=abc"));
        let (client_final, server_final) = client_final("n=us=2Cer,r=abc", &server_first);
        let success = Step::Success {
            username: Some("us,er".into()),
            data: server_final.into_bytes(),
        };
        assert_eq!(exchange.step(client_final.as_bytes()), success);
        let over = Step::Failure(ReasonCode::ProtocolError);
        assert_eq!(exchange.step(client_final.as_bytes()), over);
    }

    #[test]
    fn an_answer_from_another_exchange_is_refused() {
        let bare = "n=us=2Cer,r=abc";
        let server_first = first(&mut exchange(1), &format!("n,,{bare}"));
        let (replayed, _) = client_final(bare, &server_first);
        let mut second = exchange(2);
        assert_ne!(first(&mut second, &format!("n,,{bare}")), server_first);
        let refused = Step::Failure(ReasonCode::NotAuthorized);
        assert_eq!(second.step(replayed.as_bytes()), refused);
    }

    #[test]
    fn an_unknown_user_gets_a_challenge_like_a_known_one() {
        let challenge = first(&mut exchange(1), "n,,n=nobody,r=abc");
        let again = first(&mut exchange(2), "n,,n=nobody,r=abc");
        let salt = |text: &str| text.split(',').nth(1).unwrap().to_owned();
        assert_eq!(salt(&challenge), salt(&again));
        assert!(challenge.ends_with(",i=4096"));
        let mut exchange = exchange(1);
        let server_first = first(&mut exchange, "n,,n=nobody,r=abc");
        let (client_final, _) = client_final("n=nobody,r=abc", &server_first);
        let refused = Step::Failure(ReasonCode::NotAuthorized);
        assert_eq!(exchange.step(client_final.as_bytes()), refused);
    }

    #[test]
    fn an_invalid_message_is_refused() {
        let refused = Step::Failure(ReasonCode::NotAuthorized);
        for message in [
            "x",
            "n,,",
            "p=tls-unique,,n=user,r=abc",
            "n,a=other,n=user,r=abc",
            "n,,m=x,n=user,r=abc",
            "n,,n=us=er,r=abc",
            "n,,n=user,r=",
            "n,,n=user,r=a b",
            "n,,r=abc,n=user",
        ] {
            assert_eq!(exchange(1).step(message.as_bytes()), refused, "{message}");
        }
        assert_eq!(exchange(1).step(&[0xFF]), refused);
        for message in ["", "x", "c=biws", "c=biws,r=abc,p=", "c=eSws,r=abc,p=AA=="] {
            let mut exchange = exchange(1);
            first(&mut exchange, "n,,n=us=2Cer,r=abc");
            assert_eq!(exchange.step(message.as_bytes()), refused, "{message}");
        }
    }
}
