// Commands and notices between a page and its worker: their types, and functions that write and read them (see bincode.ts).
// `cargo xtask embed` writes this file from the types of the crate `tab`. Change those instead.

import type { Reader, Writer } from './bincode.js';

export type Audience = { is_own: boolean; readers: Array<ReaderNo> };

export type Candidacy = 
    | 'auto'
    | 'client';

export type ChannelError = 
    | 'Empty'
    | { TooLong: { bytes: number } }
    | { Character: { offset: number; found: string } };

export type ClientCommand = 
    | { Connect: ConnectOptions }
    | { Disconnect: { with_will: boolean } }
    | { Subscribe: [RequestId, Array<Subscription>] }
    | { Unsubscribe: [RequestId, Array<string>] }
    | { Publish: [RequestId, Publication] }
    | { Read: [ReaderNo, Subscription] }
    | { Release: [RequestId, ReaderNo] }
    | { Listen: boolean };

export type ClientNo = number;

export type ClientNotice = 
    | { Status: ClientStatus }
    | { Subscribed: [RequestId, Uint8Array] }
    | { Unsubscribed: [RequestId, Uint8Array] }
    | { Published: [RequestId, number] }
    | { Refused: [RequestId, Problem] }
    | { Message: [Message, Audience] }
    | { Granted: [ReaderNo, number] }
    | { ReaderRefused: [ReaderNo, Problem] }
    | 'Unheard';

export type ClientStatus = 
    | 'Waiting'
    | 'Connecting'
    | { Connected: { client_id: string; session_present: boolean; term: Term } }
    | { Disconnected: DisconnectCause };

export type Command = 
    | { Open: OpenOptions }
    | { Visibility: Visibility }
    | { Client: [ClientNo, ClientCommand] }
    | { Acknowledge: number };

export type ConnectOptions = { client_id: string; clean_start: boolean; session_expiry_interval: number; keep_alive: number; username: string | null; password: Uint8Array | null; will: Will | null };

export type DisconnectCause = 
    | 'Requested'
    | { Refused: number }
    | { ByBroker: number }
    | { BrokerError: number };

export type Durability = 
    | 'relaxed'
    | 'strict'
    | 'memory';

export type Event = { at: Time; kind: EventKind };

export type EventKind = 
    | { RecordsSkipped: { skipped: number; first: string | null } }
    | { InMemory: string }
    | { Storage: string }
    | 'StorageFull'
    | 'StorageHasRoom'
    | 'StorageRemoved'
    | { StorageFailing: string }
    | 'StorageWorks'
    | 'StorageLost'
    | { StorageDamaged: { rows: number; snapshot: boolean } }
    | { LockHeld: string };

export type Message = { topic: string; payload: Uint8Array; qos: QoS; retain: boolean; dup: boolean; properties: MessageProperties; subscription_identifiers: Array<number>; received_at: Time };

export type MessageProperties = { payload_is_utf8: boolean | null; message_expiry_interval: number | null; content_type: string | null; response_topic: string | null; correlation_data: Uint8Array | null; user_properties: Array<[string, string]> };

export type Notice = 
    | { Opened: { tab_id: TabId; build: string } }
    | { Role: Role }
    | { Members: Array<TabInfo> }
    | { Client: [ClientNo, ClientNotice] }
    | { Event: Event }
    | { Refused: Problem }
    | { CreditCheckpoint: number }
    | { Log: { identity: number } };

export type OpenOptions = { channel: string; visibility: Visibility; durability: Durability; candidacy: Candidacy; known_log: number | null };

export type Problem = 
    | { Channel: ChannelError }
    | 'AlreadyOpen'
    | 'NotOpen'
    | 'NotConnected'
    | { Topic: string }
    | { TopicFilter: string }
    | 'NoTopicFilter'
    | { TooLarge: { maximum: number } }
    | { NotEncodable: string }
    | 'TooManyInFlight'
    | 'Replaced'
    | 'NoBroker'
    | 'TooMuchWaiting';

export type Publication = { topic: string; payload: Uint8Array; qos: QoS; retain: boolean; properties: MessageProperties };

export type QoS = 
    | 'AtMostOnce'
    | 'AtLeastOnce'
    | 'ExactlyOnce';

export type ReaderNo = number;

export type RequestId = number;

export type RetainHandling = 
    | 'SendAtSubscribe'
    | 'SendIfNew'
    | 'DoNotSend';

export type Role = 
    | 'Waiting'
    | { Client: { broker: TabId; term: Term } }
    | { Broker: { term: Term } };

export type StorageState = 
    | 'ok'
    | 'full'
    | 'failing'
    | 'memory';

export type Subscription = { topic_filter: string; qos: QoS; no_local: boolean; retain_as_published: boolean; retain_handling: RetainHandling; identifier: number | null };

export type TabId = string;

export type TabInfo = { tab_id: TabId; is_self: boolean; is_broker: boolean; term: Term | null; since: Time; last_seen: Time; visibility: Visibility; clients: number; build: string; durability: Durability; storage: StorageState };

export type Term = number;

export type Time = number;

export type Visibility = 
    | 'visible'
    | 'hidden';

export type Will = { publication: Publication; delay_interval: number };

export const Candidacy: readonly Candidacy[] = ['auto', 'client'];

export const Durability: readonly Durability[] = ['relaxed', 'strict', 'memory'];

export const QoS: readonly QoS[] = ['AtMostOnce', 'AtLeastOnce', 'ExactlyOnce'];

export const RetainHandling: readonly RetainHandling[] = ['SendAtSubscribe', 'SendIfNew', 'DoNotSend'];

export const StorageState: readonly StorageState[] = ['ok', 'full', 'failing', 'memory'];

export const Visibility: readonly Visibility[] = ['visible', 'hidden'];

export const ClientCommand = {
    Connect(to: Writer, connectOptions: ConnectOptions): void {
        to.u32(0);
        writeConnectOptions(to, connectOptions);
    },
    Disconnect(to: Writer, with_will: boolean): void {
        to.u32(1);
        to.bool(with_will);
    },
    Subscribe(to: Writer, requestId: RequestId, subscriptions: Array<Subscription>): void {
        to.u32(2);
        to.u64(requestId);
        to.u64(subscriptions.length);
        for (const item of subscriptions) {
            writeSubscription(to, item);
        }
    },
    Unsubscribe(to: Writer, requestId: RequestId, values: Array<string>): void {
        to.u32(3);
        to.u64(requestId);
        to.u64(values.length);
        for (const item of values) {
            to.str(item);
        }
    },
    Publish(to: Writer, requestId: RequestId, publication: Publication): void {
        to.u32(4);
        to.u64(requestId);
        writePublication(to, publication);
    },
    Read(to: Writer, readerNo: ReaderNo, subscription: Subscription): void {
        to.u32(5);
        to.u32(readerNo);
        writeSubscription(to, subscription);
    },
    Release(to: Writer, requestId: RequestId, readerNo: ReaderNo): void {
        to.u32(6);
        to.u64(requestId);
        to.u32(readerNo);
    },
    Listen(to: Writer, value: boolean): void {
        to.u32(7);
        to.bool(value);
    },
};

export const Command = {
    Open(to: Writer, openOptions: OpenOptions): void {
        to.u32(0);
        writeOpenOptions(to, openOptions);
    },
    Visibility(to: Writer, visibility: Visibility): void {
        to.u32(1);
        to.u32(Visibility.indexOf(visibility));
    },
    Client(to: Writer, clientNo: ClientNo): void {
        to.u32(2);
        to.u32(clientNo);
    },
    Acknowledge(to: Writer, value: number): void {
        to.u32(4);
        to.u64(value);
    },
};

function writeConnectOptions(to: Writer, it: ConnectOptions): void {
    to.str(it.client_id);
    to.bool(it.clean_start);
    to.u32(it.session_expiry_interval);
    to.u16(it.keep_alive);
    if (to.some(it.username)) {
        to.str(it.username);
    }
    if (to.some(it.password)) {
        to.bytes(it.password);
    }
    if (to.some(it.will)) {
        writeWill(to, it.will);
    }
}

function writeMessageProperties(to: Writer, it: MessageProperties): void {
    if (to.some(it.payload_is_utf8)) {
        to.bool(it.payload_is_utf8);
    }
    if (to.some(it.message_expiry_interval)) {
        to.u32(it.message_expiry_interval);
    }
    if (to.some(it.content_type)) {
        to.str(it.content_type);
    }
    if (to.some(it.response_topic)) {
        to.str(it.response_topic);
    }
    if (to.some(it.correlation_data)) {
        to.bytes(it.correlation_data);
    }
    to.u64(it.user_properties.length);
    for (const item of it.user_properties) {
        to.str(item[0]);
        to.str(item[1]);
    }
}

function writeOpenOptions(to: Writer, it: OpenOptions): void {
    to.str(it.channel);
    to.u32(Visibility.indexOf(it.visibility));
    to.u32(Durability.indexOf(it.durability));
    to.u32(Candidacy.indexOf(it.candidacy));
    if (to.some(it.known_log)) {
        to.u64(it.known_log);
    }
}

function writePublication(to: Writer, it: Publication): void {
    to.str(it.topic);
    to.bytes(it.payload);
    to.u32(QoS.indexOf(it.qos));
    to.bool(it.retain);
    writeMessageProperties(to, it.properties);
}

function writeSubscription(to: Writer, it: Subscription): void {
    to.str(it.topic_filter);
    to.u32(QoS.indexOf(it.qos));
    to.bool(it.no_local);
    to.bool(it.retain_as_published);
    to.u32(RetainHandling.indexOf(it.retain_handling));
    if (to.some(it.identifier)) {
        to.u32(it.identifier);
    }
}

function writeWill(to: Writer, it: Will): void {
    writePublication(to, it.publication);
    to.u32(it.delay_interval);
}

export function readAudience(from: Reader): Audience {
    return { is_own: from.bool(), readers: from.list((): ReaderNo => from.u32()) };
}

export function readChannelError(from: Reader): ChannelError {
    switch (from.u32()) {
        case 0: return 'Empty';
        case 1: return { TooLong: { bytes: from.u64() } };
        case 2: return { Character: { offset: from.u64(), found: from.char() } };
        default: throw from.unknown();
    }
}

export function readClientNotice(from: Reader): ClientNotice {
    switch (from.u32()) {
        case 0: return { Status: readClientStatus(from) };
        case 1: return { Subscribed: [from.u64(), from.bytes()] };
        case 2: return { Unsubscribed: [from.u64(), from.bytes()] };
        case 3: return { Published: [from.u64(), from.u8()] };
        case 4: return { Refused: [from.u64(), readProblem(from)] };
        case 5: return { Message: [readMessage(from), readAudience(from)] };
        case 6: return { Granted: [from.u32(), from.u8()] };
        case 7: return { ReaderRefused: [from.u32(), readProblem(from)] };
        case 8: return 'Unheard';
        default: throw from.unknown();
    }
}

export function readClientStatus(from: Reader): ClientStatus {
    switch (from.u32()) {
        case 0: return 'Waiting';
        case 1: return 'Connecting';
        case 2: return { Connected: { client_id: from.str(), session_present: from.bool(), term: from.u64() } };
        case 3: return { Disconnected: readDisconnectCause(from) };
        default: throw from.unknown();
    }
}

export function readDisconnectCause(from: Reader): DisconnectCause {
    switch (from.u32()) {
        case 0: return 'Requested';
        case 1: return { Refused: from.u8() };
        case 2: return { ByBroker: from.u8() };
        case 3: return { BrokerError: from.u8() };
        default: throw from.unknown();
    }
}

export function readEvent(from: Reader): Event {
    return { at: from.u64(), kind: readEventKind(from) };
}

export function readEventKind(from: Reader): EventKind {
    switch (from.u32()) {
        case 7: return { RecordsSkipped: { skipped: from.u64(), first: from.bool() ? from.str() : null } };
        case 8: return { InMemory: from.str() };
        case 9: return { Storage: from.str() };
        case 10: return 'StorageFull';
        case 11: return 'StorageHasRoom';
        case 12: return 'StorageRemoved';
        case 24: return { StorageFailing: from.str() };
        case 25: return 'StorageWorks';
        case 26: return 'StorageLost';
        case 27: return { StorageDamaged: { rows: from.u64(), snapshot: from.bool() } };
        case 28: return { LockHeld: from.str() };
        default: throw from.unknown();
    }
}

export function readMessage(from: Reader): Message {
    return { topic: from.str(), payload: from.bytes(), qos: from.unit(QoS), retain: from.bool(), dup: from.bool(), properties: readMessageProperties(from), subscription_identifiers: from.list((): number => from.u32()), received_at: from.u64() };
}

export function readMessageProperties(from: Reader): MessageProperties {
    return { payload_is_utf8: from.bool() ? from.bool() : null, message_expiry_interval: from.bool() ? from.u32() : null, content_type: from.bool() ? from.str() : null, response_topic: from.bool() ? from.str() : null, correlation_data: from.bool() ? from.bytes() : null, user_properties: from.list((): [string, string] => [from.str(), from.str()]) };
}

export function readNotice(from: Reader): Notice {
    switch (from.u32()) {
        case 0: return { Opened: { tab_id: from.str(), build: from.str() } };
        case 1: return { Role: readRole(from) };
        case 2: return { Members: from.list((): TabInfo => readTabInfo(from)) };
        case 3: return { Client: [from.u32(), readClientNotice(from)] };
        case 4: return { Event: readEvent(from) };
        case 5: return { Refused: readProblem(from) };
        case 8: return { CreditCheckpoint: from.u64() };
        case 9: return { Log: { identity: from.u64() } };
        default: throw from.unknown();
    }
}

export function readProblem(from: Reader): Problem {
    switch (from.u32()) {
        case 0: return { Channel: readChannelError(from) };
        case 1: return 'AlreadyOpen';
        case 2: return 'NotOpen';
        case 3: return 'NotConnected';
        case 4: return { Topic: from.str() };
        case 5: return { TopicFilter: from.str() };
        case 6: return 'NoTopicFilter';
        case 7: return { TooLarge: { maximum: from.u32() } };
        case 8: return { NotEncodable: from.str() };
        case 9: return 'TooManyInFlight';
        case 10: return 'Replaced';
        case 11: return 'NoBroker';
        case 12: return 'TooMuchWaiting';
        default: throw from.unknown();
    }
}

export function readRole(from: Reader): Role {
    switch (from.u32()) {
        case 0: return 'Waiting';
        case 1: return { Client: { broker: from.str(), term: from.u64() } };
        case 2: return { Broker: { term: from.u64() } };
        default: throw from.unknown();
    }
}

export function readTabInfo(from: Reader): TabInfo {
    return { tab_id: from.str(), is_self: from.bool(), is_broker: from.bool(), term: from.bool() ? from.u64() : null, since: from.u64(), last_seen: from.u64(), visibility: from.unit(Visibility), clients: from.u32(), build: from.str(), durability: from.unit(Durability), storage: from.unit(StorageState) };
}
