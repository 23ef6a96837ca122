// A client of the bus, with the names and options of MQTT.js.

import { onAbort } from './abort.js';
import type { Writer } from './bincode.js';
import { type Asked, Calls, type Codes } from './calls.js';
import {
    type ConnectOptions, type Filters, type PublishOptions, type SubscribeOptions, connectOptions, publicationOf, shown, string, subscriptionsOf,
} from './client-options.js';
import { Emitter, markReported } from './emitter.js';
import { TabmqError, aborted, hex, problem, refused } from './errors.js';
import type { Hub, HubListener } from './hub.js';
import { type Bytes, type Message, type QoS, type Received, ReceivedMessage } from './message.js';
import { messageStream } from './message-stream.js';
import { Requests } from './requests.js';
import type * as wire from './wire.js';
import { ClientCommand } from './wire.js';

export interface Grant {
    topic: string;
    /** QoS that the broker granted. */
    qos: QoS;
}

export interface Connack {
    readonly sessionPresent: boolean;
    readonly clientId: string;
}

export interface ClientEvents {
    /** The client is connected again, after `offline`. A change of broker that keeps the session is no such event. */
    connect: [Connack];
    /**
     * A message of a `subscribe`, also of one from an earlier connection of the session. A message that only `messages` or a hook
     * reads arrives only there. Without a listener, messages with QoS 1 and 2 wait, unacknowledged.
     */
    message: [topic: string, payload: Received, message: Message];
    /** The client is connecting again. */
    reconnect: [];
    /** There has been no broker for some seconds, or there is no worker, as in the back/forward cache. */
    offline: [];
    /** Precedes `offline` and `end`. */
    close: [];
    /** The broker ended the connection for good. */
    disconnect: [{ reasonCode: number }];
    error: [TabmqError];
    /** The client has ended. */
    end: [];
}

/** A reader of a topic filter. */
export interface Reading {
    /** Resolves with the QoS that the broker grants. */
    readonly granted: Promise<Grant>;
    /** Ends the reader. Never rejects. */
    release(): Promise<void>;
}

type Callback<T> = (error: TabmqError | null, result?: T) => void;

interface Reader {
    readonly subscription: wire.Subscription;
    readonly onMessage: (message: Message) => void;
    resolve(grant: Grant): void;
    reject(error: TabmqError): void;
}

/** A message to publish. */
class Publishing implements Asked {
    readonly publication: wire.Publication;
    /** Whether the payload is the caller's. */
    #isBorrowed: boolean;

    constructor(publication: wire.Publication, isBorrowed: boolean) {
        this.publication = publication;
        this.#isBorrowed = isBorrowed;
    }

    write(to: Writer, request: number): void {
        ClientCommand.Publish(to, request, this.publication);
    }

    keep(): void {
        if (this.#isBorrowed) {
            this.#isBorrowed = false;
            this.publication.payload = new Uint8Array(this.publication.payload);
        }
    }

    failure(code: Codes): TabmqError | undefined {
        return code as number >= 0x80 ? refused(`The message on ${this.publication.topic}`, code as number) : undefined;
    }
}

/** With more unacknowledged bytes than this, including waiting ones, `publish` refuses further messages. */
const BUFFERED_MAX = 64 << 20;
/** Time (ms) for which messages that nobody reads block others before the client emits an error. */
const UNHEARD_MS = 3_000;
const SESSION_TAKEN_OVER = 0x8e;

/** One MQTT 5 client. It runs in the tab's worker, and stays connected when the broker moves to another tab. */
export class Client extends Emitter<ClientEvents> implements AsyncDisposable {
    readonly #hub: Hub;
    readonly #no: number;
    readonly #command: wire.ConnectOptions;
    readonly #onEnd: () => void;
    readonly #listener: HubListener;
    readonly #calls: Calls;
    readonly #requests: Requests;
    /** Granted subscriptions of `subscribe`. A new worker gets them again. */
    readonly #subscriptions = new Map<string, wire.Subscription>();
    readonly #readers = new Map<number, Reader>();
    /** Messages that arrived after the last listener was removed. */
    #undelivered: Message[] = [];
    #clientId = '';
    #isListening = false;
    #state: 'connecting' | 'connected' | 'offline' | 'ended' = 'connecting';
    #failure: TabmqError | undefined;
    #hasBeenConnected = false;
    #lastReader = 0;
    /** Number of messages received. */
    #received = 0;

    /** @internal */
    constructor(hub: Hub, options: ConnectOptions, onEnd: () => void) {
        super();
        this.#hub = hub;
        this.#onEnd = onEnd;
        this.#command = connectOptions(options);
        this.#no = hub.addClient((notice) => this.#onNotice(notice));
        this.#calls = new Calls(hub, () => this.#begin());
        this.#requests = new Requests({
            publish: (...publication) => this.#publish(...publication),
            read: (topic, onMessage) => this.read(topic, { qos: 1 }, onMessage),
            over: () => this.#state === 'ended' ? this.#endReason() : undefined,
        });
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

    /** The same as `isConnected`, under MQTT.js's name. */
    get connected(): boolean {
        return this.isConnected;
    }

    /** Bytes of published messages that are not acknowledged, or, with QoS 0, not sent to the broker yet. */
    get bufferedAmount(): number {
        return this.#calls.bytes;
    }

    override on<Name extends keyof ClientEvents>(name: Name, listener: (...args: ClientEvents[Name]) => void): this {
        super.on(name, listener);
        this.#updateListening();
        return this;
    }

    override off<Name extends keyof ClientEvents>(name: Name, listener: (...args: ClientEvents[Name]) => void): this {
        super.off(name, listener);
        this.#updateListening();
        return this;
    }

    /**
     * Publishes, whether or not the client is connected: waiting messages leave in the order of the calls. With more than 64 MiB
     * waiting, the call fails with `too-many`.
     */
    publish(topic: string, payload: Bytes | string, options?: PublishOptions | Callback<number>, callback?: Callback<number>): this {
        const [given, done] = typeof options === 'function' ? [{}, options] : [options ?? {}, callback];
        const published = this.#calls.bytes > BUFFERED_MAX
            ? Promise.reject(new TabmqError('too-many', 'More than 64 MiB wait to be published already.'))
            : this.#publish(topic, payload, given);
        published.then((code) => done?.(null, code), (error) => this.#reportTo(error, done));
        return this;
    }

    /**
     * Publishes, in the order of the calls. Resolves with the reason code: with QoS 0 when the message leaves for the broker, otherwise
     * when the broker has stored it. If the worker ends before that, as in a frozen page, a message with QoS 1 is published again and
     * may arrive twice. With QoS 0 and 2 the promise rejects with `not-connected`.
     *
     * @throws {TabmqError} `refused`, `invalid-option`, `invalid-topic`, `too-large`, `too-many`, `not-connected`, `aborted` or `closed`.
     */
    publishAsync(topic: string, payload: Bytes | string, options: PublishOptions & { signal?: AbortSignal | undefined } = {}): Promise<number> {
        return this.#publish(topic, payload, options ?? {}, options?.signal);
    }

    subscribe(filters: Filters, options?: SubscribeOptions | Callback<Grant[]>, callback?: Callback<Grant[]>): this {
        const [given, done] = typeof options === 'function' ? [{}, options] : [options ?? {}, callback];
        this.subscribeAsync(filters, given).then((grants) => done?.(null, grants), (error) => this.#reportTo(error, done));
        return this;
    }

    /**
     * Subscribes until `unsubscribe` or the end of the client.
     *
     * @throws {TabmqError} `refused` if the broker refused a filter; the others are subscribed to. Other codes as in `publishAsync`.
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
        this.unsubscribeAsync(filters).then(() => done?.(null), (error) => this.#reportTo(error, done));
        return this;
    }

    /** Ends subscriptions of `subscribe`. Readers of the same filters stay. */
    async unsubscribeAsync(filters: string | string[], { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
        if (typeof filters !== 'string' && !Array.isArray(filters)) {
            throw new TabmqError('invalid-option', `Topic filters are a string or an array, not ${shown(filters)}.`);
        }
        const all = [filters].flat().map((it) => string(it, 'A topic filter'));
        const codes = await this.#calls.ask({ write: (to, request) => ClientCommand.Unsubscribe(to, request, all) }, { signal }) as Uint8Array;
        all.forEach((filter, index) => codes[index]! < 0x80 && this.#subscriptions.delete(filter));
        const failed = codes.findIndex((code) => code >= 0x80);
        if (failed >= 0) {
            throw refused(`To unsubscribe from ${all[failed]}`, codes[failed]!);
        }
    }

    /**
     * The messages of a topic filter from now on, for `for await`. Leaving the loop, or `return()`, ends the subscription unless another
     * reader needs it. Up to `limit` unread messages wait (10,000 by default); then the oldest are dropped.
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
     * Publishes a request and resolves with the first response to it (MQTT 5.0, 4.10). A responder publishes to the request's
     * `responseTopic` with its `correlationData`. Both are random, so no other client can receive or forge the response.
     *
     * @throws {TabmqError} `timeout` after `timeout` milliseconds (10,000 by default); `refused` with reason code 0x10 if the topic has no
     * subscriber; other codes as in `publishAsync`.
     */
    request(topic: string, payload: Bytes | string, given: PublishOptions & { timeout?: number | undefined; signal?: AbortSignal | undefined } = {}):
    Promise<Message> {
        return this.#requests.request(topic, payload, given ?? {});
    }

    /** Disconnects for good. With `force`, it does not wait for acknowledgements. */
    end(force?: boolean | (() => void), options?: object | (() => void), callback?: () => void): this {
        const done = [force, options, callback].find((it) => typeof it === 'function') as (() => void) | undefined;
        void this.endAsync(force === true).then(() => done?.());
        return this;
    }

    /**
     * Waits for outstanding acknowledgements, unless `force`, and disconnects for good. It stops waiting after five seconds without any
     * answer, for example without a broker. Unacknowledged messages then reject with `closed`, and may have arrived.
     */
    async endAsync(force = false): Promise<void> {
        if (this.#state === 'ended') {
            return;
        }
        if (!force) {
            await this.#calls.settled();
        }
        if (this.#hub.isOpen) {
            ClientCommand.Disconnect(this.#begin(), false);
        }
        this.#ended(undefined);
    }

    [Symbol.asyncDispose](): Promise<void> {
        return this.endAsync();
    }

    /** @internal Resolves once the client is connected. */
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
            this.once('end', () => reject(this.#endReason()));
            forget = signal && onAbort(signal, () => reject(aborted(signal)));
        });
        return connected.then(() => {
            // The caller had no chance to add a listener yet.
            if (this.#state === 'ended') {
                const error = this.#endReason();
                markReported(error);
                throw error;
            }
        }).catch(async (error) => {
            await this.endAsync(true);
            throw error;
        }).finally(() => forget?.());
    }

    /**
     * @internal Reads a topic filter until the reader is released. Readers of one filter share a subscription with the sum of their
     * options. Each reader gets the retained messages, and each message once.
     */
    read(filter: string, options: SubscribeOptions, onMessage: (message: Message) => void): Reading {
        const no = this.#lastReader += 1;
        let isReleased = false;
        const granted = new Promise<Grant>((resolve, reject) => {
            const [subscription] = subscriptionsOf(string(filter, 'A topic filter'), options);
            if (this.#state === 'ended') {
                return reject(this.#endReason());
            }
            this.#readers.set(no, { subscription: subscription!, onMessage, resolve, reject });
            if (this.#hub.isOpen) {
                ClientCommand.Read(this.#begin(), no, subscription!);
            }
        });
        // A caller that ignores the answer must not cause an unhandled rejection.
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
                    // The reader is gone whatever the broker answers.
                    await this.#calls.ask({ write: (to, request) => ClientCommand.Release(to, request, no) }).catch(() => undefined);
                }
            },
        };
    }

    // To the worker.

    /** Connects through a new worker, and sends it the subscriptions and readers of this client. */
    #connect(): void {
        if (this.#state === 'ended') {
            return;
        }
        // The broker may still have the session if it has an expiry interval.
        const goesOn = this.#hasBeenConnected && this.#command.session_expiry_interval > 0;
        const clean_start = this.#command.clean_start && !goesOn;
        // A client without an id keeps the assigned one.
        ClientCommand.Connect(this.#begin(), { ...this.#command, clean_start, client_id: this.#command.client_id || this.#clientId });
        this.#isListening = this.hasListeners('message');
        ClientCommand.Listen(this.#begin(), this.#isListening);
        for (const [filter, subscription] of this.#subscriptions) {
            const write = (to: Writer, request: number): void => ClientCommand.Subscribe(to, request, [subscription]);
            this.#calls.askAtOnce({ write }, (codes) => {
                const code = (codes as Uint8Array)[0]!;
                if (code >= 0x80) {
                    this.#dropSubscription(filter, refused(`The subscription to ${filter}`, code));
                }
            });
        }
        for (const [no, { subscription }] of this.#readers) {
            ClientCommand.Read(this.#begin(), no, subscription);
        }
        this.#calls.pump();
    }

    /** The broker refused a subscription that it had granted before. */
    #dropSubscription(filter: string, error: TabmqError): void {
        this.#subscriptions.delete(filter);
        this.emit('error', error);
    }

    /** Begins a command: the caller writes it next. */
    #begin(): Writer {
        return this.#hub.begin(this.#no);
    }

    #publish(topic: string, payload: Bytes | string, options: PublishOptions, signal?: AbortSignal): Promise<number> {
        let asked: Publishing;
        try {
            asked = new Publishing(publicationOf(topic, payload, options), typeof payload !== 'string');
        } catch (error) {
            return Promise.reject(error);
        }
        const { publication } = asked;
        const size = publication.payload.length + publication.topic.length;
        return this.#calls.ask(asked, { signal, isRepeated: publication.qos === 'AtLeastOnce', size: size || 1 }) as Promise<number>;
    }

    async #subscribe(subscriptions: wire.Subscription[], signal: AbortSignal | undefined): Promise<Grant[]> {
        const keep = (codes: Uint8Array): void => subscriptions.forEach((it, index) => {
            if (codes[index]! < 0x80) {
                this.#subscriptions.set(it.topic_filter, it);
            }
        });
        const undo = (codes: Codes): void => {
            const added = subscriptions.filter((it, index) => (codes as Uint8Array)[index]! < 0x80 && !this.#subscriptions.has(it.topic_filter));
            if (added.length > 0) {
                this.unsubscribeAsync(added.map((it) => it.topic_filter)).catch(() => undefined);
            }
        };
        const write = (to: Writer, request: number): void => ClientCommand.Subscribe(to, request, subscriptions);
        const codes = await this.#calls.ask({ write }, { signal, undo }) as Uint8Array;
        keep(codes);
        const failed = codes.findIndex((code) => code >= 0x80);
        if (failed >= 0) {
            throw refused(`The subscription to ${subscriptions[failed]!.topic_filter}`, codes[failed]!);
        }
        return subscriptions.map((it, index) => ({ topic: it.topic_filter, qos: codes[index] as QoS }));
    }

    #updateListening(): void {
        const isListening = this.hasListeners('message');
        if (isListening !== this.#isListening && this.#state !== 'ended') {
            this.#isListening = isListening;
            if (this.#hub.isOpen) {
                ClientCommand.Listen(this.#begin(), isListening);
            }
        }
        if (isListening && this.#undelivered.length > 0) {
            queueMicrotask(() => this.#undelivered.splice(0).forEach((it) => this.#deliver(it)));
        }
    }

    /** The error for calls after the end. */
    #endReason(): TabmqError {
        return this.#failure ?? new TabmqError('closed', 'The client was ended.');
    }

    // From the worker.

    #onNotice(notice: wire.ClientNotice): void {
        if (typeof notice === 'string') {
            const received = this.#received;
            setTimeout(() => received === this.#received && this.#state !== 'ended' && this.emit('error', new TabmqError('unheard',
                "Messages wait for a listener of 'message', and keep all others of this client waiting: add one, or end the client.")), UNHEARD_MS);
        } else if ('Message' in notice) {
            const [it, { is_own, readers }] = notice.Message;
            this.#received += 1;
            const message = new ReceivedMessage(it);
            if (is_own) {
                this.#deliver(message);
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
            this.#calls.reject(request, problem(why));
        } else {
            const [[request, codes]] = Object.values(notice) as [[number, Codes]];
            this.#calls.resolve(request, codes);
        }
    }

    #refuseReader(no: number, error: TabmqError): void {
        this.#readers.get(no)?.reject(error);
        this.#readers.delete(no);
    }

    #deliver(message: Message): void {
        if (this.hasListeners('message')) {
            this.emit('message', message.topic, message.payload, message);
        } else {
            this.#undelivered.push(message);
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
            // If it was connected, the broker changed and the session continued.
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

    #onWorkerStopped(): void {
        this.#calls.workerStopped();
        this.#goOffline();
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
        const over = this.#endReason();
        this.#calls.end(failure, over);
        this.#readers.forEach((it) => it.reject(over));
        this.#readers.clear();
        this.#requests.end(over);
        if (failure !== undefined && this.#hasBeenConnected) {
            this.emit('error', failure);
        }
        this.emit('close');
        this.emit('end');
        this.#onEnd();
    }

    #reportTo(error: TabmqError, callback: Callback<any> | undefined): void {
        if (callback !== undefined) {
            callback(error);
        } else {
            this.emit('error', error);
        }
    }
}
