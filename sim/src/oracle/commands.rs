//! Observes the commands of pages.

use tab::api::{ClientCommand, Command, ConnectOptions};
use tab::{TabId, Time};

use super::message::{Kind, Moment, Published};
use super::{Oracle, Request, RequestKind, default_client_id};
use crate::client_key::ClientKey;
use crate::workload::message_id::MessageId;
use crate::workload::page::Act;

impl Oracle {
    pub(crate) fn on_act(&mut self, now: Time, tab: TabId, act: &Act) {
        let now = self.moment(now);
        let Some(view) = self.tabs.get_mut(&tab) else {
            return;
        };
        match &act.command {
            Command::Open(options) => view.visibility = options.visibility,
            Command::Visibility(visibility) => view.visibility = *visibility,
            // Observed elsewhere.
            Command::Ask(..) | Command::Acknowledge(_) | Command::Hang { .. } => {}
            Command::Client(no, command) => {
                let key = ClientKey { tab, no: *no };
                self.on_client_command(now, key, command, act.valid);
            }
        }
    }

    fn on_client_command(
        &mut self,
        now: Moment,
        key: ClientKey,
        command: &ClientCommand,
        is_valid: bool,
    ) {
        match command {
            ClientCommand::Connect(options) => return self.on_connect(now, key, options),
            ClientCommand::Disconnect { with_will } => {
                return self.on_disconnect(now, key, *with_will);
            }
            ClientCommand::Subscribe(..)
            | ClientCommand::Unsubscribe(..)
            | ClientCommand::Publish(..)
            | ClientCommand::Read(..)
            | ClientCommand::Release(..)
            | ClientCommand::Listen(_) => {}
        }
        let Some(view) = self.tabs.get_mut(&key.tab) else {
            return;
        };
        let client = view.clients.entry(key.no).or_default();
        let epoch = client.epoch;
        let is_accepted = is_valid && client.is_wanted;
        let (request, kind) = match command {
            ClientCommand::Subscribe(request, subscriptions) => {
                if is_accepted {
                    client.subscribe(now, *request, subscriptions);
                    self.share_with_siblings(key, now, subscriptions, false);
                }
                (*request, RequestKind::Subscribe(subscriptions.clone()))
            }
            ClientCommand::Unsubscribe(request, topic_filters) => {
                if is_accepted {
                    client.unsubscribe(topic_filters);
                }
                (*request, RequestKind::Unsubscribe(topic_filters.clone()))
            }
            ClientCommand::Publish(request, publication) => {
                let id = MessageId::in_properties(&publication.properties).filter(|_| is_accepted);
                if let Some(id) = id {
                    let publication = publication.clone();
                    let connection = client.connection;
                    let mut published =
                        Published::new(key, publication, now, Kind::Publish, connection);
                    if self.was_shared(key) {
                        published.exempt();
                    }
                    published.is_publisher_unknown = self.may_lose_publisher(connection);
                    self.messages.insert(id, published);
                }
                (*request, RequestKind::Publish(id))
            }
            ClientCommand::Connect(_)
            | ClientCommand::Disconnect { .. }
            | ClientCommand::Read(..)
            | ClientCommand::Release(..)
            | ClientCommand::Listen(_) => return,
        };
        let ask = self.ask(key, &kind, is_accepted);
        let asked = Request {
            epoch,
            is_valid,
            asked: now,
            kind,
            ask,
        };
        if let Some(view) = self.tabs.get_mut(&key.tab) {
            view.requests.insert((key.no, request), asked);
        }
    }

    fn on_connect(&mut self, now: Moment, key: ClientKey, options: &ConnectOptions) {
        let client_id = if options.client_id.is_empty() {
            default_client_id(key)
        } else {
            options.client_id.clone()
        };
        let inherited = self.inherited(key, &client_id);
        self.join_session(now, key, &client_id, options);
        let may_outlive = self.may_outlive_brokers();
        let may_be_lost = self.may_lose_connection(now, &client_id, options);
        let Some(view) = self.tabs.get_mut(&key.tab) else {
            return;
        };
        let client = view.clients.entry(key.no).or_default();
        let old_will = client.will.filter(|_| may_outlive);
        client.connect();
        client.inherit(inherited);
        client.client_id = Some(client_id);
        client.is_clean_start = options.clean_start;
        client.expiry = options.session_expiry_interval;
        client.has_lasting_session = options.session_expiry_interval > 0;
        // The DISCONNECT of the previous connection may reach no broker.
        if let Some(published) = old_will.and_then(|id| self.messages.get_mut(&id)) {
            published.kind = Kind::Will { is_due: true };
        }
        if let Some(will) = &options.will
            && let Some(id) = MessageId::in_properties(&will.publication.properties)
        {
            client.will = Some(id);
            client.is_will_prompt =
                will.delay_interval == 0 || options.session_expiry_interval == 0;
            let publication = will.publication.clone();
            let is_due = may_be_lost || now.at <= view.disrupted_until || view.health.is_impaired();
            let kind = Kind::Will { is_due };
            let published = Published::new(key, publication, now, kind, None);
            self.messages.insert(id, published);
        }
    }

    fn on_disconnect(&mut self, now: Moment, key: ClientKey, with_will: bool) {
        // If the broker changes meanwhile, the DISCONNECT may reach none.
        let is_due = with_will || self.may_outlive_brokers();
        self.leave_session(now, key);
        let Some(client) = self.client(key) else {
            return;
        };
        client.end();
        let will = client.will.filter(|_| is_due);
        if let Some(published) = will.and_then(|id| self.messages.get_mut(&id)) {
            published.kind = Kind::Will { is_due: true };
        }
    }
}
