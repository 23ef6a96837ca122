//! AUTH: authentication in several steps. [MQTT-4.12.0-2] [MQTT-4.12.0-3]

use bytes::Bytes;

use crate::access::{Entropy, Exchange, Step};
use crate::connection::ConnectionState;
use crate::connection::limits::ClientLimits;
use crate::packet::auth::AuthPacket;
use crate::packet::connect::ConnectPacket;
use crate::persistence::record::Record;
use crate::{Broker, CloseReason, ConnId, Output, Packet, Properties, ReasonCode, SessionId, Time};

/// The authentication of a connection.
#[derive(Debug)]
pub(crate) struct Authentication {
    /// The Authentication Method, which stays the same on a connection. [MQTT-4.12.0-5]
    method: String,
    /// The current exchange.
    exchange: Option<Box<dyn Exchange>>,
}

/// A client that authenticates before its CONNECT is answered.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) connect: ConnectPacket,
    authentication: Authentication,
}

/// The identity of an accepted client.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) username: Option<String>,
    pub(crate) authentication: Option<Authentication>,
    /// For CONNACK: the Authentication Method and Data. [MQTT-4.12.0-5]
    pub(crate) properties: Properties,
}

impl Authentication {
    fn step(&mut self, data: &[u8]) -> Step {
        match &mut self.exchange {
            Some(exchange) => exchange.step(data),
            None => Step::Failure(ReasonCode::ProtocolError),
        }
    }

    fn auth(&self, reason_code: ReasonCode, data: Vec<u8>) -> Packet {
        Packet::Auth(AuthPacket {
            reason_code,
            properties: self.properties(data),
        })
    }

    fn properties(&self, data: Vec<u8>) -> Properties {
        let mut properties = Properties::new();
        properties.set_authentication_method(self.method.clone());
        if !data.is_empty() {
            properties.set_authentication_data(Bytes::from(data));
        }
        properties
    }

    fn check_method(&self, auth: &AuthPacket) -> Result<(), CloseReason> {
        match auth.authentication_method() {
            Some(method) if method == self.method => Ok(()),
            _ => Err(CloseReason::AuthenticationMethodChanged),
        }
    }
}

impl Broker {
    /// Begins the exchange that a CONNECT with an Authentication Method asks for.
    pub(crate) fn begin_authentication(
        &mut self,
        now: Time,
        conn: ConnId,
        method: &str,
        connect: ConnectPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let authentication = Authentication {
            method: method.to_owned(),
            exchange: Some(self.exchange(method)?),
        };
        let data = connect.properties.get_authentication_data();
        let data = data.unwrap_or_default().to_vec();
        let pending = Pending {
            connect,
            authentication,
        };
        self.authenticate(now, conn, pending, &data, out)
    }

    /// Continues the exchange of a client before CONNACK. Until then only AUTH is allowed.
    pub(crate) fn on_packet_before_connack(
        &mut self,
        now: Time,
        conn: ConnId,
        packet: &Packet,
        out: &mut Vec<Output>,
    ) {
        let Some(ConnectionState::Opened { pending, .. }) = self.connections.get_mut(&conn) else {
            return;
        };
        let Some(pending) = pending.take() else {
            return;
        };
        if let Packet::Disconnect(_) = packet {
            let packet = packet.packet_type_name();
            return self.refuse(conn, CloseReason::NoAuth { packet }, out);
        }
        let limits = ClientLimits::of(&pending.connect, &self.config);
        let answered = match packet {
            Packet::Auth(auth) if auth.reason_code == ReasonCode::ContinueAuthentication => {
                let data = auth.authentication_data().unwrap_or_default();
                let same_method = pending.authentication.check_method(auth);
                same_method.and_then(|()| self.authenticate(now, conn, *pending, data, out))
            }
            packet => Err(CloseReason::NoAuth {
                packet: packet.packet_type_name(),
            }),
        };
        if let Err(reason) = answered {
            self.refuse_connect(conn, limits, reason, out);
        }
    }

    fn authenticate(
        &mut self,
        now: Time,
        conn: ConnId,
        mut pending: Pending,
        data: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        match pending.authentication.step(data) {
            Step::Continue(data) => {
                let auth = pending
                    .authentication
                    .auth(ReasonCode::ContinueAuthentication, data);
                ClientLimits::of(&pending.connect, &self.config).check(&auth)?;
                out.push(Output::Send(conn, auth));
                if let Some(ConnectionState::Opened { pending: place, .. }) =
                    self.connections.get_mut(&conn)
                {
                    *place = Some(Box::new(pending));
                }
                Ok(())
            }
            Step::Success { username, data } => {
                let Pending {
                    connect,
                    mut authentication,
                } = pending;
                authentication.exchange = None;
                let identity = Identity {
                    username,
                    properties: authentication.properties(data),
                    authentication: Some(authentication),
                };
                self.connect(now, conn, &connect, identity, out)
            }
            Step::Failure(code) => Err(CloseReason::AuthenticationFailed { code }),
        }
    }

    /// Re-authenticates a connected client. Other packets continue meanwhile. [MQTT-4.12.1-1] [MQTT-4.12.1-2]
    pub(crate) fn on_auth(
        &mut self,
        id: SessionId,
        auth: &AuthPacket,
        out: &mut Vec<Output>,
    ) -> Result<(), CloseReason> {
        let connection = self.sessions[id].connection.as_mut();
        let Some(mut authentication) =
            connection.and_then(|connection| connection.authentication.take())
        else {
            return Err(CloseReason::AuthWithoutMethod);
        };
        authentication.check_method(auth)?;
        match (auth.reason_code, authentication.exchange.is_some()) {
            (ReasonCode::ReAuthenticate, false) => {
                authentication.exchange = Some(self.exchange(&authentication.method)?);
            }
            (ReasonCode::ContinueAuthentication, true) => {}
            (code, _) => return Err(CloseReason::AuthOutOfTurn { code }),
        }
        let data = auth.authentication_data().unwrap_or_default();
        let session = &mut self.sessions[id];
        let answer = match authentication.step(data) {
            Step::Continue(data) => authentication.auth(ReasonCode::ContinueAuthentication, data),
            Step::Success { username, data } => {
                authentication.exchange = None;
                session.username = username;
                self.persistence.journal.record(|| Record::Reauthenticated {
                    session: session.number,
                    username: session.username.as_deref(),
                });
                authentication.auth(ReasonCode::Success, data)
            }
            Step::Failure(code) => return Err(CloseReason::AuthenticationFailed { code }),
        };
        if let Some(connection) = &mut session.connection {
            connection.authentication = Some(authentication);
        }
        session.answer(answer, out)
    }

    fn exchange(&mut self, method: &str) -> Result<Box<dyn Exchange>, CloseReason> {
        self.exchanges_begun += 1;
        let entropy = Entropy {
            seed: self.config.seed,
            count: self.exchanges_begun,
        };
        let exchange = self.access.authentication(method, entropy);
        exchange.ok_or_else(|| CloseReason::AuthenticationMethodUnknown {
            method: method.to_owned(),
        })
    }
}
