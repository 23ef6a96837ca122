// A client of the bus, with the names and options of MQTT.js.

import { onAbort } from './abort.js';
import {
    type ConnectOptions, type Filters, type PublishOptions, type SubscribeOptions, connectOptions, publicationOf, shown, string, subscriptionsOf,
} from './client-options.js';
import { Emitter, told } from './emitter.js';
import { TabmqError, aborted, hex, problem, refused } from './errors.js';
import type { Hub, HubListener } from './hub.js';
import { type Bytes, type Message, type QoS, type Received, ReceivedMessage } from './message.js';
import { messageStream } from './message-stream.js';
import { decodeUtf8, encodeUtf8 } from './utf8.js';
import type * as wire from './wire.js';

export interface Grant {
    topic: string;
    /** What the broker granted. */
    qos: QoS;
}

export interface Connack {
    readonly sessionPresent: boolean;
    readonly clientId: string;
}

export interface ClientEvents {
    /** Connected again, after `offline`. A change of broker that keeps the session is none. */
    connect: [Connack];
    /**
     * A message for the client: it has subscribed to it with `subscribe`, or did so in an earlier life of its session. A message that
     * only `messages` or a hook reads comes there. As long as nobody listens, messages with QoS 1 and 2 wait, unacknowledged.
     */
    message: [topic: string, payload: Received, message: Message];
    /** Connects again. */
    reconnect: [];
    /** There has been no broker for some seconds, or there is no worker, as in a page that is hidden in the back/forward cache. */
    offline: [];
    /** Comes before `offline`, and with the end. */
    close: [];
    /** The broker ended the connection for good. */
    disconnect: [{ reasonCode: number }];
    error: [TabmqError];
    /** The client is no more. */
    end: [];
}

/** Somebody who reads a topic filter. */
export interface Reading {
    /** Resolves with what the broker grants. */
    readonly granted: Promise<Grant>;
    /** Reads no more. Never rejects. */
    release(): Promise<void>;
}

type Callback<T> = (error: TabmqError | null, result?: T) => void;

/** A call that waits for an answer. */
interface Call {
    make(request: number): wire.ClientCommand;
    resolve(codes: Uint8Array | number): void;
    reject(error: TabmqError): void;
    /** Whether it is made once more if the worker ends before it has answered. */
    readonly isRepeated: boolean;
    /** Bytes of what it publishes. */
    readonly size: number;
}

interface Reader {
    readonly subscription: wire.Subscription;
    readonly onMessage: (message: Message) => void;
    resolve(grant: Grant): void;
    reject(error: TabmqError): void;
}

/** Unacknowledged bytes from which on what is published waits in the page. */
const HIGH_WATER = 2 << 20;
/** Bytes that wait to be published, or to be acknowledged, from which on `publish` refuses more. */
const BUFFERED_MAX = 64 << 20;
/** Milliseconds without any answer for which the end of a client waits for those that are due. */
const END_MS = 5_000;
/** The longest delay that a timer accepts (ms). */
const TIMER_MAX = 0x7fff_ffff;
/** Milliseconds for which messages wait for a listener, and keep others waiting, before that is told. */
const UNHEARD_MS = 3_000;
const NO_MATCHING_SUBSCRIBERS = 0x10;
const SESSION_TAKEN_OVER = 0x8e;

/** One MQTT 5 client. It lives in the tab's worker, and follows the broker wherever it moves. */
export class Client extends Emitter<ClientEvents> implements AsyncDisposable {
    readonly #hub: Hub;
    readonly #no: number;
    readonly #command: wire.ConnectOptions;
    readonly #onEnd: () => void;
    readonly #listener: HubListener;
    /** In the order in which the worker got them. */
    readonly #calls = new Map<number, Call>();
    /** Calls that the worker has not got yet. */
    #queue: Call[] = [];
    /** Subscriptions that the broker has granted, for a worker that knows nothing of them. */
    readonly #subscriptions = new Map<string, wire.Subscription>();
    readonly #readers = new Map<number, Reader>();
    readonly #requests = new Map<string, { resolve(message: Message): void; reject(error: TabmqError): void }>();
    /** Callers that wait until something has been answered, or until nothing will be any more. */
    #turns: Array<() => void> = [];
    /** Came when nobody listened any more. */
    #unheard: Message[] = [];
    #clientId = '';
    /** Bytes that are published and not acknowledged, and of these the ones that the worker has. */
    #buffered = 0;
    #sent = 0;
    #isHeard = false;
    #state: 'connecting' | 'connected' | 'offline' | 'ended' = 'connecting';
    #failure: TabmqError | undefined;
    #hasBeenConnected = false;
    #lastReader = 0;
    /** Counts messages. */
    #heard = 0;
    #responses: { topic: string; reading: Reading } | undefined;

    /** @internal */
    constructor(hub: Hub, options: ConnectOptions, onEnd: () => void) {
        super();
        this.#hub = hub;
        this.#onEnd = onEnd;
        this.#command = connectOptions(options);
        this.#no = hub.addClient((notice) => this.#onNotice(notice));
        this.#listener = {
            opened: () => this.#connect(),
            stopped: () => this.#onWorkerStopped(),
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

    /** The same, by MQTT.js's name. */
    get connected(): boolean {
        return this.isConnected;
    }

    /** Bytes of messages that are published and not acknowledged, or, with QoS 0, not on their way. */
    get bufferedAmount(): number {
        return this.#buffered;
    }

    override on<Name extends keyof ClientEvents>(name: Name, listener: (...args: ClientEvents[Name]) => void): this {
        super.on(name, listener);
        this.#mindListeners();
        return this;
    }

    override off<Name extends keyof ClientEvents>(name: Name, listener: (...args: ClientEvents[Name]) => void): this {
        super.off(name, listener);
        this.#mindListeners();
        return this;
    }

    /**
     * Publishes, whether or not the client is connected: what waits goes out in the order of the calls. More than 64 MiB that
     * wait are refused with `too-many`.
     */
    publish(topic: string, payload: Bytes | string, options?: PublishOptions | Callback<number>, callback?: Callback<number>): this {
        const [given, done] = typeof options === 'function' ? [{}, options] : [options ?? {}, callback];
        const published = this.#buffered > BUFFERED_MAX
            ? Promise.reject(new TabmqError('too-many', 'More than 64 MiB wait to be published already.'))
            : this.#publish(topic, payload, given);
        published.then((code) => done?.(null, code), (error) => this.#tell(error, done));
        return this;
    }

    /**
     * Publishes, in the order of the calls. Resolves with the reason code: with QoS 0 when the message is on its way, else when the
     * broker has it for good. If the worker ends before that, as when the page is frozen, a message with QoS 1 is published once more,
     * and may arrive twice; with QoS 0 and 2 the promise is rejected with `not-connected`.
     *
     * @throws {TabmqError} `refused`, `invalid-option`, `invalid-topic`, `too-large`, `too-many`, `not-connected`, `aborted` or `closed`.
     */
    publishAsync(topic: string, payload: Bytes | string, options: PublishOptions & { signal?: AbortSignal | undefined } = {}): Promise<number> {
        return this.#publish(topic, payload, options ?? {}, options?.signal);
    }

    subscribe(filters: Filters, options?: SubscribeOptions | Callback<Grant[]>, callback?: Callback<Grant[]>): this {
        const [given, done] = typeof options === 'function' ? [{}, options] : [options ?? {}, callback];
        this.subscribeAsync(filters, given).then((grants) => done?.(null, grants), (error) => this.#tell(error, done));
        return this;
    }

    /**
     * Subscribes, until `unsubscribe` or the end of the client.
     *
     * @throws {TabmqError} `refused` if one of the filters was; the others are subscribed to. Others as in `publishAsync`.
     */
    async subscribeAsync(filters: Filters, given: SubscribeOptions & { signal?: AbortSignal | undefined } = {}): Promise<Grant[]> {
        const options = given ?? {};
        const subscriptions = subscriptionsOf(filters, options);
        // A SUBSCRIBE has one identifier for all its filters.
        const byIdentifier = new Map<number | null, wire.Subscription[]>();
        for (const it of subscriptions) {
            byIdentifier.set(it.identifier, [...byIdentifier.get(it.identifier) ?? [], it]);
        }
        if (byIdentifier.size === 0) {
            throw new TabmqError('invalid-topic', 'No topic filter.');
        }
        const granted = new Map<string, Grant>();
        for (const group of await Promise.all([...byIdentifier.values()].map((it) => this.#subscribe(it, options.signal)))) {
            for (const it of group) {
                granted.set(it.topic, it);
            }
        }
        return subscriptions.map((it) => granted.get(it.topic_filter)!);
    }

    unsubscribe(filters: string | string[], options?: object | Callback<void>, callback?: Callback<void>): this {
        const done = typeof options === 'function' ? options as Callback<void> : callback;
        this.unsubscribeAsync(filters).then(() => done?.(null), (error) => this.#tell(error, done));
        return this;
    }

    /** Unsubscribes what `subscribe` has subscribed to; whoever reads the filters goes on. */
    async unsubscribeAsync(filters: string | string[], { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
        if (typeof filters !== 'string' && !Array.isArray(filters)) {
            throw new TabmqError('invalid-option', `Topic filters are a string or an array, not ${shown(filters)}.`);
        }
        const all = [filters].flat().map((it) => string(it, 'A topic filter'));
        const codes = await this.#ask((request) => ({ Unsubscribe: [request, all] }), signal) as Uint8Array;
        all.forEach((filter, index) => codes[index]! < 0x80 && this.#subscriptions.delete(filter));
        const failed = codes.findIndex((code) => code >= 0x80);
        if (failed >= 0) {
            throw refused(`To unsubscribe from ${all[failed]}`, codes[failed]!);
        }
    }

    /**
     * The messages of a topic filter, from now on, for `for await`. Leaving the loop ends the subscription, unless somebody else needs it;
     * so does `return()`, if there is no loop. What is not read waits, up to `limit` messages (10,000 if it is left out); then the oldest
     * are dropped.
     */
    messages(filter: string, options: SubscribeOptions & { limit?: number | undefined; signal?: AbortSignal | undefined } = {}): AsyncGenerator<Message, void, void> {
        return messageStream({
            read: (onMessage) => this.read(filter, options ?? {}, onMessage),
            onEnd: (listener) => void this.on('end', listener),
            offEnd: (listener) => void this.off('end', listener),
            failure: () => this.#failure,
        }, options ?? {});
    }

    /**
     * Publishes a request and resolves with the first response to it (MQTT 5.0, 4.10): whoever answers publishes to the request's
     * `responseTopic` with its `correlationData`. Both are random, so that nobody else hears the response or makes one up.
     *
     * @throws {TabmqError} `timeout` after so many milliseconds (10,000 if it is left out); `refused` with reason code 0x10 if nobody has
     * subscribed to the topic; others as in `publishAsync`.
     */
    request(topic: string, payload: Bytes | string, given: PublishOptions & { timeout?: number | undefined; signal?: AbortSignal | undefined } = {}):
    Promise<Message> {
        const { timeout = 10_000, signal, ...options } = given ?? {};
        const giveUp = new AbortController();
        const correlation = random();
        let timer: ReturnType<typeof setTimeout> | undefined;
        let forget: (() => void) | undefined;
        const response = new Promise<Message>((resolve, reject) => {
            if (signal?.aborted) {
                return reject(aborted(signal));
            }
            if (this.#state === 'ended') {
                return reject(this.#over());
            }
            if (typeof timeout !== 'number' || !(timeout >= 0)) {
                return reject(new TabmqError('invalid-option', `timeout is a number of milliseconds, not ${shown(timeout)}.`));
            }
            this.#requests.set(correlation, { resolve, reject });
            forget = signal && onAbort(signal, () => reject(aborted(signal)));
            timer = setTimeout(() => reject(new TabmqError('timeout', `Nobody answered on ${topic} within ${timeout} ms.`)), Math.min(timeout, TIMER_MAX));
            const ask = async (): Promise<void> => {
                const { topic: responseTopic, reading } = this.#listenForResponses();
                // Nothing is lost if the answer to a request comes before that to the subscription: it was made before.
                reading.granted.catch(reject);
                const properties = { ...options.properties, responseTopic, correlationData: encodeUtf8(correlation) };
                const given = { qos: 1, ...options, properties } as const;
                const code = await this.#publish(topic, payload, given, giveUp.signal);
                if (code === NO_MATCHING_SUBSCRIBERS && !given.retain) {
                    throw new TabmqError('refused', `Nobody has subscribed to ${topic}, so nobody can answer.`, { reasonCode: code });
                }
            };
            ask().catch(reject);
        });
        return response.finally(() => {
            this.#requests.delete(correlation);
            clearTimeout(timer);
            forget?.();
            giveUp.abort();
        });
    }

    /** Disconnects for good. With `force`, what is not acknowledged is given up. */
    end(force?: boolean | (() => void), options?: object | (() => void), callback?: () => void): this {
        const done = [force, options, callback].find((it) => typeof it === 'function') as (() => void) | undefined;
        void this.endAsync(force === true).then(() => done?.());
        return this;
    }

    /**
     * Waits for what is not acknowledged yet, unless `force`, and disconnects for good. After five seconds without any answer, as when
     * there is no broker, it waits no longer: what is not acknowledged then is rejected with `closed`, and may have arrived or not.
     */
    async endAsync(force = false): Promise<void> {
        if (this.#state === 'ended') {
            return;
        }
        if (!force) {
            await this.#settled();
        }
        if (this.#hub.isOpen) {
            this.#send({ Disconnect: { with_will: false } });
        }
        this.#ended(undefined);
    }

    [Symbol.asyncDispose](): Promise<void> {
        return this.endAsync();
    }

    /** @internal Resolves once it is connected. */
    whenConnected(signal?: AbortSignal): Promise<void> {
        let forget: (() => void) | undefined;
        const connected = new Promise<void>((resolve, reject) => {
            if (this.#state === 'connected') {
                return resolve();
            }
            if (signal?.aborted) {
                return reject(aborted(signal));
            }
            this.once('connect', () => resolve());
            this.once('end', () => reject(this.#over()));
            forget = signal && onAbort(signal, () => reject(aborted(signal)));
        });
        return connected.then(() => {
            // A caller that waits has had no time to listen yet.
            if (this.#state === 'ended') {
                const error = this.#over();
                told(error);
                throw error;
            }
        }).catch(async (error) => {
            await this.endAsync(true);
            throw error;
        }).finally(() => forget?.());
    }

    /**
     * @internal Reads a topic filter until it is released. Those who read the same one share a subscription, with the most that any of
     * them wants; each gets the retained messages, and each message once.
     */
    read(filter: string, options: SubscribeOptions, onMessage: (message: Message) => void): Reading {
        const no = this.#lastReader += 1;
        let isReleased = false;
        const granted = new Promise<Grant>((resolve, reject) => {
            const [subscription] = subscriptionsOf(string(filter, 'A topic filter'), options);
            if (this.#state === 'ended') {
                return reject(this.#over());
            }
            this.#readers.set(no, { subscription: subscription!, onMessage, resolve, reject });
            if (this.#hub.isOpen) {
                this.#send({ Read: [no, subscription!] });
            }
        });
        // The caller asks for the answer if it wants it.
        granted.catch(() => undefined);
        return {
            granted,
            release: async () => {
                const reader = this.#readers.get(no);
                if (isReleased || reader === undefined) {
                    return;
                }
                isReleased = true;
                this.#readers.delete(no);
                reader.reject(new TabmqError('closed', 'Nobody reads it any more.'));
                if (this.#hub.isOpen && this.#state !== 'ended') {
                    // Whatever comes of it, nobody reads any more.
                    await this.#ask((request) => ({ Release: [request, no] })).catch(() => undefined);
                }
            },
        };
    }

    // To the worker.

    /** Tells a worker that knows nothing of this client what it wants. */
    #connect(): void {
        if (this.#state === 'ended') {
            return;
        }
        // The broker may have the session still, if it was to outlive its client.
        const goesOn = this.#hasBeenConnected && this.#command.session_expiry_interval > 0;
        const clean_start = this.#command.clean_start && !goesOn;
        // One that had no id goes on with the one that it got.
        this.#send({ Connect: { ...this.#command, clean_start, client_id: this.#command.client_id || this.#clientId } });
        this.#isHeard = this.hears('message');
        this.#send({ Listen: this.#isHeard });
        for (const [filter, subscription] of this.#subscriptions) {
            this.#call({
                make: (request) => ({ Subscribe: [request, [subscription]] }),
                resolve: (codes) => (codes as Uint8Array)[0]! >= 0x80 && this.#lose(filter, refused(`The subscription to ${filter}`, (codes as Uint8Array)[0]!)),
                reject: () => undefined,
                isRepeated: false,
                size: 0,
            });
        }
        for (const [no, { subscription }] of this.#readers) {
            this.#send({ Read: [no, subscription] });
        }
        this.#pump();
    }

    /** The broker does not grant anew what it had granted. */
    #lose(filter: string, error: TabmqError): void {
        this.#subscriptions.delete(filter);
        this.emit('error', error);
    }

    #send(command: wire.ClientCommand): void {
        this.#hub.send({ Client: [this.#no, command] });
    }

    #call(call: Call): void {
        const request = this.#hub.nextRequest();
        this.#calls.set(request, call);
        this.#sent += call.size;
        this.#send(call.make(request));
    }

    /** Has the worker get what waits, in order, as much as it is to have at a time. */
    #pump(): void {
        let first: Call | undefined;
        let taken = 0;
        while (this.#hub.isOpen && (first = this.#queue[taken]) !== undefined && (first.size === 0 || this.#sent <= HIGH_WATER)) {
            taken += 1;
            this.#call(first);
        }
        this.#queue.splice(0, taken);
    }

    /** Makes a call. One that is aborted before the worker gets it is not made. */
    #ask(make: Call['make'], signal?: AbortSignal, isRepeated = true, size = 0, undo?: (codes: Uint8Array | number) => void):
    Promise<Uint8Array | number> {
        return new Promise((resolve, reject) => {
            if (signal?.aborted) {
                return reject(aborted(signal));
            }
            if (this.#state === 'ended') {
                return reject(this.#over());
            }
            let isAborted = false;
            const over = (): void => {
                this.#buffered -= size;
                forget?.();
            };
            const call: Call = {
                make,
                resolve: (codes) => {
                    over();
                    isAborted ? undo?.(codes) : resolve(codes);
                },
                reject: (error) => {
                    over();
                    reject(error);
                },
                isRepeated,
                size,
            };
            const forget = signal && onAbort(signal, () => {
                const index = this.#queue.indexOf(call);
                if (index >= 0) {
                    this.#queue.splice(index, 1);
                    return call.reject(aborted(signal));
                }
                isAborted = true;
                reject(aborted(signal));
            });
            this.#buffered += size;
            this.#queue.push(call);
            this.#pump();
        });
    }

    #publish(topic: string, payload: Bytes | string, options: PublishOptions, signal?: AbortSignal): Promise<number> {
        let publication: wire.Publication;
        try {
            // As it is now: the caller may go on with its buffer.
            publication = publicationOf(topic, payload, options);
        } catch (error) {
            return Promise.reject(error);
        }
        const size = publication.payload.length + publication.topic.length;
        const asked = this.#ask((request) => ({ Publish: [request, publication] }), signal, publication.qos === 'AtLeastOnce', size || 1);
        return asked.then((code) => {
            if (code as number >= 0x80) {
                throw refused(`The message on ${topic}`, code as number);
            }
            return code as number;
        });
    }

    async #subscribe(subscriptions: wire.Subscription[], signal: AbortSignal | undefined): Promise<Grant[]> {
        const keep = (codes: Uint8Array): void => subscriptions.forEach((it, index) => {
            if (codes[index]! < 0x80) {
                this.#subscriptions.set(it.topic_filter, it);
            }
        });
        const undo = (codes: Uint8Array | number): void => {
            const added = subscriptions.filter((it, index) => (codes as Uint8Array)[index]! < 0x80 && !this.#subscriptions.has(it.topic_filter));
            if (added.length > 0) {
                this.unsubscribeAsync(added.map((it) => it.topic_filter)).catch(() => undefined);
            }
        };
        const make = (request: number): wire.ClientCommand => ({ Subscribe: [request, subscriptions] });
        const codes = await this.#ask(make, signal, true, 0, undo) as Uint8Array;
        keep(codes);
        const failed = codes.findIndex((code) => code >= 0x80);
        if (failed >= 0) {
            throw refused(`The subscription to ${subscriptions[failed]!.topic_filter}`, codes[failed]!);
        }
        return subscriptions.map((it, index) => ({ topic: it.topic_filter, qos: codes[index] as QoS }));
    }

    #listenForResponses(): { topic: string; reading: Reading } {
        if (this.#responses === undefined) {
            const topic = `response/${random()}`;
            const reading = this.read(topic, { qos: 1 }, (message) => {
                const { correlationData } = message.properties;
                this.#requests.get(correlationData === undefined ? '' : decodeUtf8(correlationData))?.resolve(message);
            });
            this.#responses = { topic, reading };
            // The next request tries anew.
            reading.granted.catch(() => { this.#responses = undefined; });
        }
        return this.#responses;
    }

    #mindListeners(): void {
        const isHeard = this.hears('message');
        if (isHeard !== this.#isHeard && this.#state !== 'ended') {
            this.#isHeard = isHeard;
            if (this.#hub.isOpen) {
                this.#send({ Listen: isHeard });
            }
        }
        if (isHeard && this.#unheard.length > 0) {
            queueMicrotask(() => this.#unheard.splice(0).forEach((it) => this.#hear(it)));
        }
    }

    /** Nothing waits for an answer, or none has come for so long that none may be waited for. */
    async #settled(): Promise<void> {
        while (this.#calls.size + this.#queue.length > 0 && this.#state !== 'ended') {
            let timer: ReturnType<typeof setTimeout> | undefined;
            const isLate = await new Promise<boolean>((resolve) => {
                this.#turns.push(() => resolve(false));
                timer = setTimeout(() => resolve(true), END_MS);
            });
            clearTimeout(timer);
            if (isLate) {
                return;
            }
        }
    }

    /** Why nothing more comes of it. */
    #over(): TabmqError {
        return this.#failure ?? new TabmqError('closed', 'The client was ended.');
    }

    // From the worker.

    #onNotice(notice: wire.ClientNotice): void {
        if (typeof notice === 'string') {
            const heard = this.#heard;
            setTimeout(() => heard === this.#heard && this.#state !== 'ended' && this.emit('error', new TabmqError('unheard',
                "Messages wait for a listener of 'message', and keep all others of this client waiting: add one, or end the client.")), UNHEARD_MS);
        } else if ('Message' in notice) {
            const [it, { is_own, readers }] = notice.Message;
            this.#heard += 1;
            const message = new ReceivedMessage(it);
            if (is_own) {
                this.#hear(message);
            }
            for (const no of readers) {
                try {
                    this.#readers.get(no)?.onMessage(message);
                } catch (error) {
                    reportError(error);
                }
            }
        } else if ('Status' in notice) {
            this.#onStatus(notice.Status);
        } else if ('Granted' in notice) {
            const [no, code] = notice.Granted;
            const topic = this.#readers.get(no)?.subscription.topic_filter ?? '';
            if (code < 0x80) {
                this.#readers.get(no)?.resolve({ topic, qos: code as QoS });
            } else {
                this.#refuseReader(no, refused(`The subscription to ${topic}`, code));
            }
        } else if ('ReaderRefused' in notice) {
            const [no, why] = notice.ReaderRefused;
            this.#refuseReader(no, problem(why));
        } else if ('Refused' in notice) {
            const [request, why] = notice.Refused;
            this.#answer(request)?.reject(problem(why));
        } else {
            const [[request, code]] = Object.values(notice) as [[number, Uint8Array | number]];
            this.#answer(request)?.resolve(code);
        }
    }

    #refuseReader(no: number, error: TabmqError): void {
        this.#readers.get(no)?.reject(error);
        this.#readers.delete(no);
    }

    #hear(message: Message): void {
        if (this.hears('message')) {
            this.emit('message', message.topic, message.payload, message);
        } else {
            this.#unheard.push(message);
        }
    }

    #onStatus(status: wire.ClientStatus): void {
        if (this.#state === 'ended') {
            return;
        }
        if (status === 'Waiting') {
            this.#goOffline();
        } else if (status === 'Connecting') {
            if (this.#state === 'offline') {
                this.emit('reconnect');
            }
        } else if ('Connected' in status) {
            const { client_id, session_present } = status.Connected;
            const wasConnected = this.#state === 'connected';
            this.#clientId = client_id;
            this.#state = 'connected';
            this.#hasBeenConnected = true;
            // A change of broker that nobody needs to know of.
            if (!wasConnected) {
                this.emit('connect', { sessionPresent: session_present, clientId: client_id });
            }
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
            const why = reasonCode === SESSION_TAKEN_OVER
                ? `Another client took over the session of client id ${this.#clientId} (reason code ${hex(reasonCode)}). Each client needs an id of its own.`
                : `The broker ended the connection with reason code ${hex(reasonCode)}.`;
            this.#ended(new TabmqError('disconnected', why, { reasonCode }));
        }
    }

    #answer(request: number): Call | undefined {
        const call = this.#calls.get(request);
        if (call !== undefined) {
            this.#calls.delete(request);
            this.#sent -= call.size;
            this.#pump();
        }
        this.#next();
        return call;
    }

    /** Calls that it had not answered go to the next one, where that does no harm. */
    #onWorkerStopped(): void {
        const calls = [...this.#calls.values()];
        this.#calls.clear();
        this.#sent = 0;
        this.#queue.unshift(...calls.filter((it) => it.isRepeated));
        for (const it of calls.filter((call) => !call.isRepeated)) {
            it.reject(new TabmqError('not-connected', 'The worker ended with the hidden page before it answered: the message may have arrived or not.'));
        }
        this.#goOffline();
        this.#next();
    }

    #goOffline(): void {
        if (this.#state === 'connected') {
            this.#state = 'offline';
            this.emit('close');
            this.emit('offline');
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
        const sent = this.#calls.size > 0 ? failure ?? new TabmqError('closed', 'The client was ended before this was answered: it may have been carried out or not.') : undefined;
        const calls = [...this.#calls.values()];
        this.#calls.clear();
        calls.forEach((it) => it.reject(sent!));
        const over = this.#over();
        this.#queue.splice(0).forEach((it) => it.reject(over));
        this.#readers.forEach((it) => it.reject(over));
        this.#readers.clear();
        this.#requests.forEach((it) => it.reject(over));
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

    #tell(error: TabmqError, callback: Callback<any> | undefined): void {
        if (callback !== undefined) {
            callback(error);
        } else {
            this.emit('error', error);
        }
    }
}

/** Such as nobody can guess. */
function random(): string {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
