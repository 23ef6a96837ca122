// TabMQ: an MQTT broker in the tabs of a browser.

export { Bus, open } from './bus.js';
export type { BusEvents, BusRole, Failover, OpenOptions, Tab } from './bus.js';
export { Client } from './client.js';
export type { ClientEvents, Connack, Grant } from './client.js';
export type { ConnectOptions, Filters, PublishOptions, SubscribeOptions, Will } from './client-options.js';
export { TabmqError } from './errors.js';
export type { TabmqErrorCode } from './errors.js';
export type { Bytes, Message, MessageProperties, QoS } from './message.js';
export type { PortSocket } from './socket.js';
export { matches } from './topics.js';
export type { BusStorage, BusStorageEvent, Durability, Persist, StorageEventKind, StorageState } from './storage.js';
export type { ScriptUrl } from './worker-url.js';
