// The options of a client and of its calls, checked and translated into the worker's types.

import { TabmqError } from './errors.js';
import type { Bytes, MessageProperties, QoS, Received } from './message.js';
import { encodeUtf8 } from './utf8.js';
import type * as wire from './wire.js';
import { QoS as QOS, RetainHandling } from './wire.js';

export interface PublishOptions {
    qos?: QoS | undefined;
    retain?: boolean | undefined;
    properties?: MessageProperties | undefined;
}

export interface Will extends PublishOptions {
    topic: string;
    payload: Bytes | string;
    properties?: MessageProperties & {
        /** Seconds between the loss of the connection and the will. */
        willDelayInterval?: number | undefined;
    } | undefined;
}

export interface ConnectOptions {
    /** Unique to this client. By default it derives from the tab's id, so that no two tabs take over each other's session. */
    clientId?: string | undefined;
    /** Discards an earlier session of this client id; `true` by default. */
    clean?: boolean | undefined;
    /** Seconds. 0, the default, turns it off: a connection inside a browser does not need it. */
    keepalive?: number | undefined;
    username?: string | undefined;
    password?: Bytes | string | undefined;
    will?: Will | undefined;
    properties?: {
        /** Seconds for which the session outlives its connection. */
        sessionExpiryInterval?: number | undefined;
    } | undefined;
    /** Aborts the wait for the broker, and ends the client. */
    signal?: AbortSignal | undefined;
}

export interface SubscribeOptions {
    qos?: QoS | undefined;
    /** No Local: excludes messages that this client publishes. */
    nl?: boolean | undefined;
    /** Retain As Published. */
    rap?: boolean | undefined;
    /** Retain Handling: retained messages arrive at every SUBSCRIBE (0), only at a new subscription (1), or never (2). */
    rh?: 0 | 1 | 2 | undefined;
    properties?: { subscriptionIdentifier?: number | undefined } | undefined;
}

/** One filter, several, or several with options of their own. */
export type Filters = string | string[] | Record<string, SubscribeOptions>;

/** The caller's bytes, not copied. */
function bytesOf(payload: Bytes | string, what: string): Received {
    if (typeof payload === 'string') {
        return encodeUtf8(payload);
    }
    // The buffer of a small array is created when it is read, which takes longer than all the rest.
    if (payload instanceof Uint8Array) {
        return payload as Received;
    }
    // Objects of another realm have other classes.
    if (ArrayBuffer.isView(payload)) {
        return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength) as Received;
    }
    if (Object.prototype.toString.call(payload) === '[object ArrayBuffer]') {
        return new Uint8Array(payload);
    }
    throw new TabmqError('invalid-option', `${what} is a string, a Uint8Array or an ArrayBuffer, not ${shown(payload)}.`);
}

/** @internal A copy of the caller's bytes. Not `slice`, which makes no copy of a `Buffer`. */
export function copyOf(payload: Bytes | string, what: string): Received {
    return new Uint8Array(bytesOf(payload, what));
}

/** @internal */
export function string(value: string, what: string): string {
    if (typeof value !== 'string') {
        throw new TabmqError('invalid-option', `${what} is a string, not ${shown(value)}.`);
    }
    return value;
}

/** @internal */
export function shown(value: unknown): string {
    if (typeof value === 'number') {
        return String(value);
    }
    return typeof value === 'object' && value !== null ? Object.prototype.toString.call(value) : JSON.stringify(value) ?? String(value);
}

function integer(value: number | undefined, maximum: number, what: string): number {
    if (value === undefined) {
        return 0;
    }
    if (!Number.isInteger(value) || value < 0 || value > maximum) {
        throw new TabmqError('invalid-option', `${what} is a whole number from 0 to ${maximum}, not ${shown(value)}.`);
    }
    return value;
}

function qosOf(qos: QoS | undefined): wire.QoS {
    return QOS[integer(qos, 2, 'qos')]!;
}

/** @internal The payload is the caller's; everything else is copied. */
export function publicationOf(topic: string, payload: Bytes | string, options: PublishOptions): wire.Publication {
    return {
        topic: string(topic, 'The topic'),
        payload: bytesOf(payload, 'The payload'),
        qos: qosOf(options.qos),
        retain: options.retain === true,
        properties: options.properties === undefined ? NO_PROPERTIES : propertiesOf(options.properties),
    };
}

function propertiesOf(it: MessageProperties): wire.MessageProperties {
    const user = Object.entries(it.userProperties ?? {});
    const expiry = it.messageExpiryInterval;
    return {
        payload_is_utf8: it.payloadFormatIndicator === undefined ? null : Boolean(it.payloadFormatIndicator),
        message_expiry_interval: expiry === undefined ? null : integer(expiry, 0xffff_ffff, 'messageExpiryInterval'),
        content_type: it.contentType === undefined ? null : string(it.contentType, 'contentType'),
        response_topic: it.responseTopic === undefined ? null : topicName(it.responseTopic, 'responseTopic'),
        correlation_data: it.correlationData == null ? null : copyOf(it.correlationData, 'correlationData'),
        user_properties: user.flatMap(([name, values]) => [values].flat().map((value): [string, string] => [name, string(value, `The user property ${name}`)])),
    };
}

const NO_PROPERTIES = propertiesOf({});

/** @internal */
export function subscriptionsOf(filters: Filters, options: SubscribeOptions): wire.Subscription[] {
    if (typeof filters !== 'string' && (typeof filters !== 'object' || filters === null)) {
        throw new TabmqError('invalid-option', `Topic filters are a string, an array or an object, not ${shown(filters)}.`);
    }
    const all: [string, SubscribeOptions][] = typeof filters === 'string'
        ? [[filters, options]]
        : Array.isArray(filters)
            ? filters.map((filter) => [filter, options])
            : Object.entries(filters).map(([filter, own]) => [filter, { ...options, ...own }]);
    return all.map(([filter, given]) => {
        const it = given ?? {};
        const identifier = it.properties?.subscriptionIdentifier;
        if (identifier === 0) {
            throw new TabmqError('invalid-option', 'subscriptionIdentifier is at least 1.');
        }
        if (it.nl === true && string(filter, 'A topic filter').startsWith('$share/')) {
            throw new TabmqError('invalid-option', `nl has no meaning for a shared subscription, ${filter}.`);
        }
        return {
            topic_filter: string(filter, 'A topic filter'),
            qos: qosOf(it.qos),
            no_local: it.nl === true,
            retain_as_published: it.rap === true,
            retain_handling: RetainHandling[integer(it.rh, 2, 'rh')]!,
            identifier: identifier === undefined ? null : integer(identifier, 268_435_455, 'subscriptionIdentifier'),
        };
    });
}

function topicName(topic: string, what: string): string {
    if (string(topic, what) === '' || /[#+\0]/.test(topic)) {
        throw new TabmqError('invalid-topic', `${what} is no topic name: ${shown(topic)}.`);
    }
    return topic;
}

/** The longest text that fits into a CONNECT (bytes). */
const CONNECT_BYTES_MAX = 0xffff;

function short(bytes: number, what: string): void {
    if (bytes > CONNECT_BYTES_MAX) {
        throw new TabmqError('too-large', `${what} has ${bytes} bytes, and 65,535 at most.`);
    }
}

function willOf(it: Will): wire.Will {
    const publication = publicationOf(topicName(it.topic, 'The topic of the will'), it.payload, it);
    publication.payload = new Uint8Array(publication.payload);
    short(publication.payload.length, 'The payload of the will');
    return { publication, delay_interval: integer(it.properties?.willDelayInterval, 0xffff_ffff, 'willDelayInterval') };
}

/** @internal */
export function connectOptions(it: ConnectOptions): wire.ConnectOptions {
    const clientId = string(it.clientId ?? '', 'clientId');
    const password = it.password === undefined ? null : copyOf(it.password, 'The password');
    short(encodeUtf8(clientId).length, 'clientId');
    short(password?.length ?? 0, 'The password');
    return {
        client_id: clientId,
        clean_start: it.clean !== false,
        session_expiry_interval: integer(it.properties?.sessionExpiryInterval, 0xffff_ffff, 'sessionExpiryInterval'),
        keep_alive: integer(it.keepalive, 0xffff, 'keepalive'),
        username: it.username === undefined ? null : string(it.username, 'username'),
        password,
        will: it.will === undefined ? null : willOf(it.will),
    };
}
