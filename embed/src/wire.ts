// Commands and notices between a page and its worker, as types and as a layout of bytes (see bincode.ts).
// `cargo xtask embed` writes this file from the types of the crate `tab`. Change those instead.

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

export const LAYOUT = {
    Audience: { is_own: 'bool', readers: { $list: 'ReaderNo' } },
    Candidacy: { $enum: { auto: 0, client: 0 } },
    ChannelError: { $enum: { Empty: 0, TooLong: { bytes: 'u64' }, Character: { offset: 'u64', found: 'char' } } },
    ClientCommand: { $enum: { Connect: 'ConnectOptions', Disconnect: { with_will: 'bool' }, Subscribe: ['RequestId', { $list: 'Subscription' }], Unsubscribe: ['RequestId', { $list: 'str' }], Publish: ['RequestId', 'Publication'], Read: ['ReaderNo', 'Subscription'], Release: ['RequestId', 'ReaderNo'], Listen: 'bool' } },
    ClientNo: 'u32',
    ClientNotice: { $enum: { Status: 'ClientStatus', Subscribed: ['RequestId', 'bytes'], Unsubscribed: ['RequestId', 'bytes'], Published: ['RequestId', 'u8'], Refused: ['RequestId', 'Problem'], Message: ['Message', 'Audience'], Granted: ['ReaderNo', 'u8'], ReaderRefused: ['ReaderNo', 'Problem'], Unheard: 0 } },
    ClientStatus: { $enum: { Waiting: 0, Connecting: 0, Connected: { client_id: 'str', session_present: 'bool', term: 'Term' }, Disconnected: 'DisconnectCause' } },
    Command: { $enum: { Open: 'OpenOptions', Visibility: 'Visibility', Client: ['ClientNo', 'ClientCommand'], _3: 0, Acknowledge: 'u64', _5: 0 } },
    ConnectOptions: { client_id: 'str', clean_start: 'bool', session_expiry_interval: 'u32', keep_alive: 'u16', username: { $option: 'str' }, password: { $option: 'bytes' }, will: { $option: 'Will' } },
    DisconnectCause: { $enum: { Requested: 0, Refused: 'u8', ByBroker: 'u8', BrokerError: 'u8' } },
    Durability: { $enum: { relaxed: 0, strict: 0, memory: 0 } },
    Event: { at: 'Time', kind: 'EventKind' },
    EventKind: { $enum: { _0: 0, _1: 0, _2: 0, _3: 0, _4: 0, _5: 0, _6: 0, RecordsSkipped: { skipped: 'u64', first: { $option: 'str' } }, InMemory: 'str', Storage: 'str', StorageFull: 0, StorageHasRoom: 0, StorageRemoved: 0, _13: 0, _14: 0, _15: 0, _16: 0, _17: 0, _18: 0, _19: 0, _20: 0, _21: 0, _22: 0, _23: 0, StorageFailing: 'str', StorageWorks: 0, StorageLost: 0, StorageDamaged: { rows: 'u64', snapshot: 'bool' }, LockHeld: 'str' } },
    Message: { topic: 'str', payload: 'bytes', qos: 'QoS', retain: 'bool', dup: 'bool', properties: 'MessageProperties', subscription_identifiers: { $list: 'u32' }, received_at: 'Time' },
    MessageProperties: { payload_is_utf8: { $option: 'bool' }, message_expiry_interval: { $option: 'u32' }, content_type: { $option: 'str' }, response_topic: { $option: 'str' }, correlation_data: { $option: 'bytes' }, user_properties: { $list: ['str', 'str'] } },
    Notice: { $enum: { Opened: { tab_id: 'TabId', build: 'str' }, Role: 'Role', Members: { $list: 'TabInfo' }, Client: ['ClientNo', 'ClientNotice'], Event: 'Event', Refused: 'Problem', _6: 0, _7: 0, CreditCheckpoint: 'u64', Log: { identity: 'u64' } } },
    OpenOptions: { channel: 'str', visibility: 'Visibility', durability: 'Durability', candidacy: 'Candidacy', known_log: { $option: 'u64' } },
    Problem: { $enum: { Channel: 'ChannelError', AlreadyOpen: 0, NotOpen: 0, NotConnected: 0, Topic: 'str', TopicFilter: 'str', NoTopicFilter: 0, TooLarge: { maximum: 'u32' }, NotEncodable: 'str', TooManyInFlight: 0, Replaced: 0, NoBroker: 0, TooMuchWaiting: 0 } },
    Publication: { topic: 'str', payload: 'bytes', qos: 'QoS', retain: 'bool', properties: 'MessageProperties' },
    QoS: { $enum: { AtMostOnce: 0, AtLeastOnce: 0, ExactlyOnce: 0 } },
    ReaderNo: 'u32',
    RequestId: 'u64',
    RetainHandling: { $enum: { SendAtSubscribe: 0, SendIfNew: 0, DoNotSend: 0 } },
    Role: { $enum: { Waiting: 0, Client: { broker: 'TabId', term: 'Term' }, Broker: { term: 'Term' } } },
    StorageState: { $enum: { ok: 0, full: 0, failing: 0, memory: 0 } },
    Subscription: { topic_filter: 'str', qos: 'QoS', no_local: 'bool', retain_as_published: 'bool', retain_handling: 'RetainHandling', identifier: { $option: 'u32' } },
    TabId: 'str',
    TabInfo: { tab_id: 'TabId', is_self: 'bool', is_broker: 'bool', term: { $option: 'Term' }, since: 'Time', last_seen: 'Time', visibility: 'Visibility', clients: 'u32', build: 'str', durability: 'Durability', storage: 'StorageState' },
    Term: 'u64',
    Time: 'u64',
    Visibility: { $enum: { visible: 0, hidden: 0 } },
    Will: { publication: 'Publication', delay_interval: 'u32' },
} as const;
