// TabMQ: an MQTT broker in the tabs of a browser.

export { Bus, open } from './bus.js';
export type { BusEvents, BusRole, Failover, OpenOptions, Tab } from './bus.js';
export { Client } from './client.js';
export type {
    Bytes, ClientEvents, Connack, ConnectOptions, Filters, Grant, Message, MessageProperties, PublishOptions, QoS, SubscribeOptions, Will,
} from './client.js';
export { TabmqError } from './errors.js';
export type { TabmqErrorCode } from './errors.js';
export type { PortSocket } from './socket.js';
export { matches } from './topics.js';
export type { BusStorage, BusStorageEvent, Durability, Persist, StorageEventKind, StorageState } from './storage.js';
export type { ScriptUrl } from './worker-url.js';
