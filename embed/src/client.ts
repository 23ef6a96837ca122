// A client of the bus, with the names and options of MQTT.js.

import { Emitter } from './emitter.js';
import { TabmqError, aborted, hex, problem, refused } from './errors.js';
import type { Hub, HubListener } from './hub.js';
import { matches } from './topics.js';
import type * as wire from './wire.js';

export type QoS = 0 | 1 | 2;

/** Bytes to send, also of another realm, such as a frame. */
export type Bytes = ArrayBufferView | ArrayBuffer;

/** Properties of a message that travel end to end (MQTT 5.0, 3.3.2.3). */
export interface MessageProperties {
    /** Whether the payload is UTF-8 text. */
    payloadFormatIndicator?: boolean;
    /** Seconds until the message is of no more use. */
    messageExpiryInterval?: number;
    contentType?: string;
    responseTopic?: string;
    correlationData?: Uint8Array;
    /** A name that comes more than once has its values in an array. */
    userProperties?: Record<string, string | string[]>;
}

export interface PublishOptions {
    qos?: QoS;
    retain?: boolean;
    properties?: MessageProperties;
}

export interface Will extends PublishOptions {
    topic: string;
    payload: Bytes | string;
    properties?: MessageProperties & {
        /** Seconds between the loss of the client and the will. */
        willDelayInterval?: number;
    };
}

export interface ConnectOptions {
    /** Of this client alone. If it is left out, it is made of the tab's id, so that no two tabs kick each other out. */
    clientId?: string;
    /** Starts without an earlier session of this client id; `true` if it is left out. */
    clean?: boolean;
    /** Seconds; 0, the default, turns it off: inside a browser nothing needs it. */
    keepalive?: number;
    username?: string;
    password?: Bytes | string;
    will?: Will;
    properties?: {
        /** Seconds for which the session outlives its client. */
        sessionExpiryInterval?: number;
    };
    /** Gives up waiting for the broker, and the client with it. */
    signal?: AbortSignal;
}

export interface SubscribeOptions {
    qos?: QoS;
    /** No Local: not what this client publishes itself. */
    nl?: boolean;
    /** Retain As Published. */
    rap?: boolean;
    /** Retain Handling: retained messages come at every SUBSCRIBE (0), only at a new one (1), never (2). */
    rh?: 0 | 1 | 2;
    properties?: { subscriptionIdentifier?: number };
}

/** One filter, several, or several with options of their own. */
export type Filters = string | string[] | Record<string, SubscribeOptions>;

export interface Grant {
    topic: string;
    /** What the broker granted. */
    qos: QoS;
}

/** A message as it arrived. */
export interface Message {
    readonly topic: string;
    readonly payload: Uint8Array;
    readonly qos: QoS;
    readonly retain: boolean;
    readonly dup: boolean;
    readonly properties: MessageProperties & { subscriptionIdentifier?: number[] };
    /** When it reached this tab, in Unix milliseconds. */
    readonly receivedAt: number;
    /** The payload as UTF-8 text. */
    text(): string;
    /** The payload as JSON. Throws a SyntaxError if it is none. */
    json(): unknown;
}

export interface Connack {
    readonly sessionPresent: boolean;
    readonly clientId: string;
}

export interface ClientEvents {
    connect: [Connack];
    message: [topic: string, payload: Uint8Array, message: Message];
    reconnect: [];
    offline: [];
    close: [];
    disconnect: [{ reasonCode: number }];
    error: [TabmqError];
    end: [];
}

type Callback<T> = (error: TabmqError | null, result?: T) => void;

interface Waiting {
    resolve(codes: Uint8Array | number): void;
    reject(error: TabmqError): void;
}

/** Unacknowledged bytes from which on `publishAsync` waits before it sends. */
const HIGH_WATER = 2 << 20;
const QOS: readonly wire.QoS[] = ['AtMostOnce', 'AtLeastOnce', 'ExactlyOnce'];
const RETAIN_HANDLING: readonly wire.RetainHandling[] = ['SendAtSubscribe', 'SendIfNew', 'DoNotSend'];
const text = new TextEncoder();
const utf8 = new TextDecoder();

/** One MQTT 5 client. It lives in the tab's worker, and follows the broker wherever that moves. */
export class Client extends Emitter<ClientEvents> implements AsyncDisposable {
    readonly #hub: Hub;
    readonly #no: number;
    readonly #command: wire.ConnectOptions;
    readonly #onEnd: () => void;
    readonly #listener: HubListener;
    readonly #waiting = new Map<number, Waiting>();
    /** What was subscribed to, for a worker that knows nothing of it. */
    readonly #subscriptions = new Map<string, wire.Subscription>();
    /** How many readers of `messages` need a filter, and whether `subscribe` was called for it. */
    readonly #readers = new Map<string, number>();
    readonly #wanted = new Set<string>();
    /** Whoever waits until something has been answered, or until nothing will be any more. */
    #turns: Array<() => void> = [];
    #clientId = '';
    #buffered = 0;
    #state: 'connecting' | 'connected' | 'offline' | 'ended' = 'connecting';
    #failure: TabmqError | undefined;
    #hasBeenConnected = false;
    /** What happened since it was connected, as long as that may have been a change of broker and nothing else. */
    #unsaid: Array<'close' | 'offline' | 'reconnect'> | undefined;
    #requests = 0;
    #responses: Promise<unknown> | undefined;

    /** @internal */
    constructor(hub: Hub, options: ConnectOptions, onEnd: () => void) {
        super();
        this.#hub = hub;
        this.#onEnd = onEnd;
        this.#command = connectOptions(options);
        this.#no = hub.addClient((notice) => this.#onNotice(notice));
        this.#listener = {
            opened: () => this.#connect(),
            stopped: () => this.#goOffline(),
            failed: (error) => hub.failure !== undefined && this.#ended(error),
        };
        hub.listeners.add(this.#listener);
        if (hub.isOpen) {
            this.#connect();
        }
    }

    /** The client id in use; empty until the client is connected for the first time. */
    get clientId(): string {
        return this.#clientId;
    }

    get isConnected(): boolean {
        return this.#state === 'connected';
    }

    /** Bytes of messages that are published and not acknowledged, or, with QoS 0, not on their way. */
    get bufferedAmount(): number {
        return this.#buffered;
    }

    /** Publishes, whether or not the client is connected: what waits goes out in order. */
    publish(topic: string, payload: Bytes | string, options?: PublishOptions | Callback<number>, callback?: Callback<number>): this {
        const [given, done] = typeof options === 'function' ? [{}, options] : [options ?? {}, callback];
        this.#publish(topic, payload, given).then((code) => done?.(null, code), (error) => this.#tell(error, done));
        return this;
    }

    /**
     * Publishes. Waits first while more than 2 MiB are not acknowledged. Resolves with the reason code: with QoS 0 when the
     * message is on its way, else when the broker has it for good.
     *
     * @throws {TabmqError} `refused`, `invalid-topic`, `too-large`, `too-many`, `not-connected`, `aborted` or `closed`.
     */
    async publishAsync(topic: string, payload: Bytes | string, options: PublishOptions & { signal?: AbortSignal } = {}): Promise<number> {
        const { signal } = options;
        while (this.#buffered > HIGH_WATER && this.#state !== 'ended') {
            await withSignal(new Promise<void>((resolve) => this.#turns.push(resolve)), signal);
        }
        return withSignal(this.#publish(topic, payload, options), signal);
    }

    subscribe(filters: Filters, options?: SubscribeOptions | Callback<Grant[]>, callback?: Callback<Grant[]>): this {
        const [given, done] = typeof options === 'function' ? [{}, options] : [options ?? {}, callback];
        this.subscribeAsync(filters, given).then((grants) => done?.(null, grants), (error) => this.#tell(error, done));
        return this;
    }

    /**
     * Subscribes, until `unsubscribe` or the end of the client.
     *
     * @throws {TabmqError} `refused` if one of the filters was; the others are subscribed to.
     */
    async subscribeAsync(filters: Filters, options: SubscribeOptions & { signal?: AbortSignal } = {}): Promise<Grant[]> {
        const subscriptions = subscriptionsOf(filters, options);
        for (const it of subscriptions) {
            this.#wanted.add(it.topic_filter);
        }
        return withSignal(this.#subscribe(subscriptions), options.signal);
    }

    unsubscribe(filters: string | string[], callback?: Callback<void>): this {
        this.unsubscribeAsync(filters).then(() => callback?.(null), (error) => this.#tell(error, callback));
        return this;
    }

    async unsubscribeAsync(filters: string | string[], { signal }: { signal?: AbortSignal } = {}): Promise<void> {
        const all = typeof filters === 'string' ? [filters] : filters;
        for (const filter of all) {
            this.#wanted.delete(filter);
        }
        await withSignal(this.#unsubscribe(all.filter((filter) => !this.#readers.has(filter))), signal);
    }

    /**
     * The messages of a topic filter, from now on, for `for await`. Leaving the loop ends the subscription, unless somebody else needs it.
     * What is not read waits, up to `limit` messages (10,000 if it is left out); then the oldest are dropped.
     */
    async *messages(filter: string, options: SubscribeOptions & { limit?: number; signal?: AbortSignal } = {}): AsyncGenerator<Message, void, void> {
        const { limit = 10_000, signal } = options;
        const arrived: Message[] = [];
        let wake: (() => void) | undefined;
        let failure: TabmqError | undefined;
        let isOver = false;
        const onMessage = (topic: string, _payload: Uint8Array, message: Message): void => {
            if (matches(filter, topic)) {
                if (arrived.push(message) > limit) {
                    arrived.shift();
                }
                wake?.();
            }
        };
        const onEnd = (): void => {
            isOver = true;
            failure = this.#failure;
            wake?.();
        };
        const onAbort = (): void => {
            isOver = true;
            wake?.();
        };
        this.on('message', onMessage);
        this.on('end', onEnd);
        signal?.addEventListener('abort', onAbort);
        const held = this.hold(filter, options);
        try {
            await withSignal(held.subscribed, signal);
            for (;;) {
                const message = arrived.shift();
                if (message !== undefined) {
                    yield message;
                } else if (isOver || signal?.aborted) {
                    break;
                } else {
                    await new Promise<void>((resolve) => { wake = resolve; });
                }
            }
        } catch (error) {
            if (!signal?.aborted) {
                throw error;
            }
        } finally {
            this.off('message', onMessage);
            this.off('end', onEnd);
            signal?.removeEventListener('abort', onAbort);
            await held.release();
        }
        if (failure !== undefined) {
            throw failure;
        }
    }

    /**
     * Publishes a request and resolves with the first response to it (MQTT 5.0, 4.10): whoever answers publishes to the request's
     * `responseTopic` with its `correlationData`.
     *
     * @throws {TabmqError} `timeout` after so many milliseconds (10,000 if it is left out).
     */
    async request(topic: string, payload: Bytes | string,
        { timeout = 10_000, signal, ...options }: PublishOptions & { timeout?: number; signal?: AbortSignal } = {}): Promise<Message> {
        const responseTopic = `response/${this.#clientId}`;
        this.#responses ??= this.subscribeAsync(responseTopic, { qos: 1 });
        await withSignal(this.#responses, signal);
        this.#requests += 1;
        const correlationData = text.encode(`${this.#no}.${this.#requests}`);
        let onMessage: ((topic: string, payload: Uint8Array, message: Message) => void) | undefined;
        let timer: ReturnType<typeof setTimeout> | undefined;
        const response = new Promise<Message>((resolve, reject) => {
            onMessage = (at, _payload, message) => {
                const data = message.properties.correlationData;
                if (at === responseTopic && data !== undefined && utf8.decode(data) === utf8.decode(correlationData)) {
                    resolve(message);
                }
            };
            this.on('message', onMessage);
            timer = setTimeout(() => reject(new TabmqError('timeout', `Nobody answered on ${topic} within ${timeout} ms.`)), timeout);
        });
        try {
            const properties = { ...options.properties, responseTopic, correlationData };
            const published = this.publishAsync(topic, payload, { qos: 1, ...options, properties });
            await withSignal(Promise.race([response, published]), signal);
            return await withSignal(response, signal);
        } finally {
            clearTimeout(timer);
            this.off('message', onMessage!);
        }
    }

    /** Disconnects for good. With `force`, what is not acknowledged is given up. */
    end(force?: boolean | (() => void), callback?: () => void): this {
        const [isForced, done] = typeof force === 'function' ? [false, force] : [force ?? false, callback];
        void this.endAsync(isForced).then(() => done?.());
        return this;
    }

    /** Waits for what is not acknowledged yet, unless `force`, and disconnects for good. */
    async endAsync(force = false): Promise<void> {
        if (this.#state === 'ended') {
            return;
        }
        if (!force && this.#state === 'connected') {
            await this.#settled();
        }
        this.#send({ Disconnect: { with_will: false } });
        this.#ended(undefined);
    }

    [Symbol.asyncDispose](): Promise<void> {
        return this.endAsync();
    }

    /** @internal Resolves once it is connected. */
    async connected(signal?: AbortSignal): Promise<void> {
        if (this.#state === 'connected') {
            return;
        }
        const connected = new Promise<void>((resolve, reject) => {
            this.once('connect', () => resolve());
            this.once('end', () => reject(this.#failure ?? new TabmqError('closed', 'The client was ended.')));
        });
        try {
            await withSignal(connected, signal);
        } catch (error) {
            void this.endAsync(true);
            throw error;
        }
    }

    /**
     * @internal Needs a filter until it is released: whoever needs one that others need, too, gets its retained messages anew, and
     * only the last one to release it unsubscribes.
     */
    hold(filter: string, options: SubscribeOptions): { subscribed: Promise<unknown>; release(): Promise<void> } {
        this.#readers.set(filter, (this.#readers.get(filter) ?? 0) + 1);
        let isReleased = false;
        return {
            subscribed: this.#subscribe(subscriptionsOf(filter, options)),
            release: async () => {
                if (!isReleased) {
                    isReleased = true;
                    await this.#releaseReader(filter);
                }
            },
        };
    }

    // To the worker.

    #connect(): void {
        if (this.#state === 'ended') {
            return;
        }
        // A worker that is new knows nothing; the broker may still have the session, if it was to outlive its client.
        const clean_start = this.#command.clean_start && !(this.#hasBeenConnected && this.#command.session_expiry_interval > 0);
        this.#send({ Connect: { ...this.#command, clean_start } });
        if (this.#subscriptions.size > 0) {
            this.#send({ Subscribe: [this.#hub.nextRequest(), [...this.#subscriptions.values()]] });
        }
    }

    #send(command: wire.ClientCommand): void {
        this.#hub.send({ Client: [this.#no, command] });
    }

    #ask(make: (request: number) => wire.ClientCommand): Promise<Uint8Array | number> {
        return new Promise((resolve, reject) => this.#request(make, { resolve, reject }));
    }

    #request(make: (request: number) => wire.ClientCommand, waiting: Waiting): void {
        if (this.#state === 'ended') {
            return waiting.reject(this.#failure ?? new TabmqError('closed', 'The client was ended.'));
        }
        if (!this.#hub.isOpen) {
            return waiting.reject(new TabmqError('not-connected', 'There is no worker while the page is hidden.'));
        }
        const request = this.#hub.nextRequest();
        this.#waiting.set(request, waiting);
        this.#send(make(request));
    }

    /** One promise and no more: there may be a hundred thousand in a second. */
    #publish(topic: string, payload: Bytes | string, options: PublishOptions): Promise<number> {
        return new Promise((resolve, reject) => {
            const publication = publicationOf(topic, payload, options);
            const size = publication.payload.length + topic.length;
            const over = (): void => {
                this.#buffered -= size;
                this.#next();
            };
            this.#buffered += size;
            this.#request((request) => ({ Publish: [request, publication] }), {
                resolve: (code) => {
                    over();
                    code as number < 0x80 ? resolve(code as number) : reject(refused(`The message on ${topic}`, code as number));
                },
                reject: (error) => {
                    over();
                    reject(error);
                },
            });
        });
    }

    async #subscribe(subscriptions: wire.Subscription[]): Promise<Grant[]> {
        for (const it of subscriptions) {
            this.#subscriptions.set(it.topic_filter, it);
        }
        const codes = await this.#ask((request) => ({ Subscribe: [request, subscriptions] })) as Uint8Array;
        const failed = subscriptions.findIndex((_, index) => codes[index]! >= 0x80);
        subscriptions.forEach((it, index) => codes[index]! >= 0x80 && this.#subscriptions.delete(it.topic_filter));
        if (failed >= 0) {
            throw refused(`The subscription to ${subscriptions[failed]!.topic_filter}`, codes[failed]!);
        }
        return subscriptions.map((it, index) => ({ topic: it.topic_filter, qos: codes[index] as QoS }));
    }

    async #unsubscribe(filters: string[]): Promise<void> {
        for (const filter of filters) {
            this.#subscriptions.delete(filter);
        }
        if (filters.length > 0) {
            await this.#ask((request) => ({ Unsubscribe: [request, filters] }));
        }
    }

    async #releaseReader(filter: string): Promise<void> {
        const left = (this.#readers.get(filter) ?? 1) - 1;
        if (left > 0) {
            this.#readers.set(filter, left);
            return;
        }
        this.#readers.delete(filter);
        if (!this.#wanted.has(filter) && this.#state !== 'ended') {
            // Without a connection there is no subscription either.
            await this.#unsubscribe([filter]).catch(() => undefined);
        }
    }

    /** Nothing waits for an answer, or there is nobody to give one. */
    async #settled(): Promise<void> {
        while (this.#waiting.size > 0 && this.#state === 'connected') {
            await new Promise<void>((resolve) => this.#turns.push(resolve));
        }
    }

    // From the worker.

    #onNotice(notice: wire.ClientNotice): void {
        if ('Message' in notice) {
            const message = new Arrived(notice.Message);
            this.emit('message', message.topic, message.payload, message);
        } else if ('Status' in notice) {
            this.#onStatus(notice.Status);
        } else if ('Refused' in notice) {
            const [request, why] = notice.Refused;
            this.#answer(request)?.reject(problem(why));
        } else {
            const [[request, code]] = Object.values(notice) as [[number, Uint8Array | number]];
            this.#answer(request)?.resolve(code);
        }
    }

    #onStatus(status: wire.ClientStatus): void {
        if (this.#state === 'ended') {
            return;
        }
        if (status === 'Waiting') {
            this.#goOffline();
        } else if (status === 'Connecting') {
            if (this.#unsaid !== undefined) {
                this.#unsaid.push('reconnect');
            } else if (this.#hasBeenConnected) {
                this.emit('reconnect');
            }
        } else if ('Connected' in status) {
            const { client_id, session_present } = status.Connected;
            this.#clientId = client_id;
            this.#state = 'connected';
            this.#hasBeenConnected = true;
            const isUnnoticed = this.#unsaid !== undefined && session_present;
            if (isUnnoticed) {
                this.#unsaid = undefined;
                return;
            }
            this.#say();
            this.emit('connect', { sessionPresent: session_present, clientId: client_id });
        } else {
            const cause = status.Disconnected;
            if (cause === 'Requested') {
                return this.#ended(undefined);
            }
            if ('Refused' in cause) {
                return this.#ended(refused('The connection', cause.Refused));
            }
            const reasonCode = 'ByBroker' in cause ? cause.ByBroker : cause.BrokerError;
            this.emit('disconnect', { reasonCode });
            this.#ended(new TabmqError('disconnected', `The broker ended the connection with reason code ${hex(reasonCode)}.`, { reasonCode }));
        }
    }

    #answer(request: number): Waiting | undefined {
        const waiting = this.#waiting.get(request);
        this.#waiting.delete(request);
        this.#next();
        return waiting;
    }

    #goOffline(): void {
        const wasConnected = this.#state === 'connected';
        if (wasConnected) {
            this.#state = 'offline';
        }
        if (!this.#hub.isOpen) {
            this.#refuseAll(new TabmqError('not-connected', 'The worker ended with the hidden page.'));
        }
        if (wasConnected) {
            this.#unsaid = ['close', 'offline'];
            // A change of broker is over within the batch of notices that tells of it, and nobody needs to know.
            queueMicrotask(() => this.#say());
        }
    }

    #say(): void {
        const unsaid = this.#unsaid ?? [];
        this.#unsaid = undefined;
        for (const event of unsaid) {
            this.emit(event);
        }
    }

    #ended(failure: TabmqError | undefined): void {
        if (this.#state === 'ended') {
            return;
        }
        this.#state = 'ended';
        this.#failure = failure;
        this.#hub.listeners.delete(this.#listener);
        this.#hub.removeClient(this.#no);
        this.#refuseAll(failure ?? new TabmqError('closed', 'The client was ended.'));
        this.#next();
        if (failure !== undefined && this.#hasBeenConnected) {
            this.emit('error', failure);
        }
        this.emit('close');
        this.emit('end');
        this.#onEnd();
    }

    #next(): void {
        this.#turns.splice(0).forEach((wake) => wake());
    }

    #refuseAll(error: TabmqError): void {
        const waiting = [...this.#waiting.values()];
        this.#waiting.clear();
        for (const it of waiting) {
            it.reject(error);
        }
    }

    #tell(error: TabmqError, callback: Callback<any> | undefined): void {
        if (callback !== undefined) {
            callback(error);
        } else {
            this.emit('error', error);
        }
    }
}

class Arrived implements Message {
    readonly topic: string;
    readonly payload: Uint8Array;
    readonly qos: QoS;
    readonly retain: boolean;
    readonly dup: boolean;
    readonly properties: Message['properties'];
    readonly receivedAt: number;

    constructor(it: wire.Message) {
        this.topic = it.topic;
        this.payload = it.payload;
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
        return utf8.decode(this.payload);
    }

    json(): unknown {
        return JSON.parse(this.text());
    }
}

function withSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    if (signal === undefined) {
        return promise;
    }
    return new Promise((resolve, reject) => {
        const abort = (): void => reject(aborted(signal));
        if (signal.aborted) {
            // Nobody is left to hear of it.
            promise.catch(() => undefined);
            return abort();
        }
        signal.addEventListener('abort', abort, { once: true });
        promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    });
}

function bytesOf(payload: Bytes | string, what: string): Uint8Array {
    if (typeof payload === 'string') {
        return text.encode(payload);
    }
    if (payload instanceof Uint8Array) {
        return payload;
    }
    // Those of a frame are of other classes.
    if (ArrayBuffer.isView(payload)) {
        return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
    }
    if (Object.prototype.toString.call(payload) === '[object ArrayBuffer]') {
        return new Uint8Array(payload);
    }
    throw new TabmqError('invalid-option', `${what} is a string, a Uint8Array or an ArrayBuffer.`);
}

function integer(value: number | undefined, maximum: number, what: string): number {
    if (value === undefined) {
        return 0;
    }
    if (!Number.isInteger(value) || value < 0 || value > maximum) {
        throw new TabmqError('invalid-option', `${what} is a whole number from 0 to ${maximum}, not ${value}.`);
    }
    return value;
}

function qosOf(qos: QoS | undefined): wire.QoS {
    return QOS[integer(qos, 2, 'qos')]!;
}

function publicationOf(topic: string, payload: Bytes | string, options: PublishOptions): wire.Publication {
    return {
        topic: String(topic),
        payload: bytesOf(payload, 'The payload'),
        qos: qosOf(options.qos),
        retain: options.retain ?? false,
        properties: options.properties === undefined ? NO_PROPERTIES : propertiesOf(options.properties),
    };
}

function propertiesOf(it: MessageProperties): wire.MessageProperties {
    const user = Object.entries(it.userProperties ?? {});
    const expiry = it.messageExpiryInterval;
    return {
        payload_is_utf8: it.payloadFormatIndicator ?? null,
        message_expiry_interval: expiry === undefined ? null : integer(expiry, 0xffff_ffff, 'messageExpiryInterval'),
        content_type: it.contentType ?? null,
        response_topic: it.responseTopic ?? null,
        correlation_data: it.correlationData == null ? null : bytesOf(it.correlationData, 'correlationData'),
        user_properties: user.flatMap(([name, values]) => [values].flat().map((value): [string, string] => [name, value])),
    };
}

const NO_PROPERTIES = propertiesOf({});

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
        ...it.correlation_data !== null && { correlationData: it.correlation_data },
        ...it.user_properties.length > 0 && { userProperties: user },
    };
}

function subscriptionsOf(filters: Filters, options: SubscribeOptions): wire.Subscription[] {
    const all: [string, SubscribeOptions][] = typeof filters === 'string'
        ? [[filters, options]]
        : Array.isArray(filters)
            ? filters.map((filter) => [filter, options])
            : Object.entries(filters).map(([filter, own]) => [filter, { ...options, ...own }]);
    return all.map(([topic_filter, it]) => ({
        topic_filter,
        qos: qosOf(it.qos),
        no_local: it.nl ?? false,
        retain_as_published: it.rap ?? false,
        retain_handling: RETAIN_HANDLING[integer(it.rh, 2, 'rh')]!,
        identifier: it.properties?.subscriptionIdentifier ?? null,
    }));
}

function connectOptions(it: ConnectOptions): wire.ConnectOptions {
    const { will } = it;
    return {
        client_id: it.clientId ?? '',
        clean_start: it.clean ?? true,
        session_expiry_interval: integer(it.properties?.sessionExpiryInterval, 0xffff_ffff, 'sessionExpiryInterval'),
        keep_alive: integer(it.keepalive, 0xffff, 'keepalive'),
        username: it.username ?? null,
        password: it.password === undefined ? null : bytesOf(it.password, 'The password'),
        will: will === undefined ? null : {
            publication: publicationOf(will.topic, will.payload, will),
            delay_interval: integer(will.properties?.willDelayInterval, 0xffff_ffff, 'willDelayInterval'),
        },
    };
}
