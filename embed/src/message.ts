// Messages as an app sees them.

import { decodeUtf8 } from './utf8.js';
import type * as wire from './wire.js';
import { QoS as QOS } from './wire.js';

export type QoS = 0 | 1 | 2;

/** Bytes to send, also of another realm, such as an iframe. */
export type Bytes = ArrayBufferView | ArrayBuffer;

/** Received bytes, in a type that `Blob`, `fetch` and WebCrypto accept in every version of TypeScript. */
export type Received = ReturnType<Uint8ArrayConstructor['of']>;

/** Properties of a message that travel end to end (MQTT 5.0, 3.3.2.3). */
export interface MessageProperties {
    /** Whether the payload is UTF-8 text. */
    payloadFormatIndicator?: boolean | undefined;
    /** Seconds until the message expires. */
    messageExpiryInterval?: number | undefined;
    contentType?: string | undefined;
    responseTopic?: string | undefined;
    correlationData?: Bytes | undefined;
    /** A repeated name has its values in an array. */
    userProperties?: Record<string, string | string[]> | undefined;
}

/** A received message. */
export interface Message {
    readonly topic: string;
    readonly payload: Received;
    readonly qos: QoS;
    readonly retain: boolean;
    readonly dup: boolean;
    readonly properties: Omit<MessageProperties, 'correlationData'> & { correlationData?: Received; subscriptionIdentifier?: number[] };
    /** Time when it reached this tab, in Unix milliseconds. */
    readonly receivedAt: number;
    /** The payload as UTF-8 text. */
    text(): string;
    /** The parsed JSON of the payload. Throws a SyntaxError if the payload is not JSON. */
    json(): unknown;
}

/** @internal A message that the worker sent. */
export class ReceivedMessage implements Message {
    readonly topic: string;
    readonly payload: Received;
    readonly qos: QoS;
    readonly retain: boolean;
    readonly dup: boolean;
    readonly properties: Message['properties'];
    readonly receivedAt: number;

    constructor(it: wire.Message) {
        this.topic = it.topic;
        this.payload = it.payload as Received;
        this.qos = QOS.indexOf(it.qos) as QoS;
        this.retain = it.retain;
        this.dup = it.dup;
        this.receivedAt = it.received_at;
        this.properties = propertiesFrom(it.properties);
        if (it.subscription_identifiers.length > 0) {
            this.properties.subscriptionIdentifier = it.subscription_identifiers;
        }
    }

    text(): string {
        return decodeUtf8(this.payload);
    }

    json(): unknown {
        return JSON.parse(this.text());
    }
}

function propertiesFrom(it: wire.MessageProperties): Message['properties'] {
    const user: Record<string, string | string[]> = {};
    for (const [name, value] of it.user_properties) {
        const there = Object.hasOwn(user, name) ? user[name] : undefined;
        const next = there === undefined ? value : [there, value].flat();
        Object.defineProperty(user, name, { value: next, enumerable: true, configurable: true, writable: true });
    }
    return {
        ...it.payload_is_utf8 !== null && { payloadFormatIndicator: it.payload_is_utf8 },
        ...it.message_expiry_interval !== null && { messageExpiryInterval: it.message_expiry_interval },
        ...it.content_type !== null && { contentType: it.content_type },
        ...it.response_topic !== null && { responseTopic: it.response_topic },
        ...it.correlation_data !== null && { correlationData: it.correlation_data as Received },
        ...it.user_properties.length > 0 && { userProperties: user },
    };
}
