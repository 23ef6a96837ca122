// The bus of a channel, for apps.

import { Client } from './client.js';
import type { ConnectOptions } from './client-options.js';
import { Emitter } from './emitter.js';
import { TabmqError, aborted, storageFault } from './errors.js';
import { Hub, type HubListener } from './hub.js';
import { checkObject, checkOptions, checkSignal, invalid } from './options.js';
import { PortSocket, type SocketClient } from './socket.js';
import type { BusStorage, BusStorageEvent, Durability, Persist, StorageState } from './storage.js';
import type { Role, TabInfo } from './wire.js';
import type { ScriptUrl } from './worker-url.js';

/** How a page joins a channel. */
export interface OpenOptions {
    /** 1 to 64 of `A-Z a-z 0-9 . _ -`. Tabs of one origin with the same name share one broker. */
    channel: string;
    /** URL of `worker.js`, unless the bundler knows it. A `TrustedScriptURL` is accepted. */
    workerUrl?: ScriptUrl | undefined;
    /** URL of `worker_bg.wasm`, unless it is beside `worker.js`. */
    wasmUrl?: string | URL | undefined;
    /**
     * Where the broker keeps acknowledged state while it is in this tab. `relaxed`, the default: in IndexedDB. `strict`: in IndexedDB,
     * flushed to the disk before the acknowledgement, against loss of power. `memory`: in memory, which ends with the tab.
     */
    durability?: Durability | undefined;
    /**
     * `auto`, the default: this tab may become the broker. `client`: it never does, which suits a short-lived or busy page. Without
     * another tab there is then no broker.
     */
    role?: 'auto' | 'client' | undefined;
    /**
     * Whether this page asks the browser, once, to keep this site's data even when space runs low (`navigator.storage.persist()`).
     * `auto`, the default: only in browsers that decide without a question. `ask`: also in Firefox, which asks the person. `never`:
     * TabMQ does not ask.
     */
    persist?: Persist | undefined;
    /** Aborts the wait, and closes the bus. */
    signal?: AbortSignal | undefined;
}

/** Role of this tab on the channel. */
export type BusRole = 'waiting' | 'client' | 'broker';

/** One tab of the channel. */
export interface Tab {
    readonly tabId: string;
    readonly isSelf: boolean;
    readonly isBroker: boolean;
    /** Times when it joined and when its last announcement arrived, in Unix milliseconds. */
    readonly since: number;
    readonly lastSeen: number;
    readonly visible: boolean;
    /** Number of its clients. */
    readonly clients: number;
    readonly build: string;
    /** Durability of the broker while it is in this tab. `relaxed` instead of `strict` if the browser does not support `strict`. */
    readonly durability: Durability;
    /** State of the broker's storage, of the tab that is the broker. */
    readonly storage: StorageState;
}

/** Another tab became the broker. */
export interface Failover {
    /** Increases with every broker. */
    readonly term: number;
    readonly broker: string | undefined;
}

export interface BusEvents {
    role: [BusRole];
    roster: [readonly Tab[]];
    failover: [Failover];
    /** An event of the broker's storage. A fault is also an `error`. */
    storage: [BusStorageEvent];
    /**
     * Without a listener, `reportError` reports it, once for each code. After `worker-failed` and `build-mismatch` there is no worker:
     * open the channel again.
     */
    error: [TabmqError];
    /** A new worker replaced one that ended with a hidden page. */
    reopen: [];
    close: [];
}

interface Shared {
    hub: Hub;
    users: number;
}

/** One worker for each channel of a page. */
const shared = new Map<string, Shared>();

/**
 * Joins a channel. Resolves once the worker runs, possibly before there is a broker. Close each bus; the worker ends with the last
 * one.
 *
 * @throws {TabmqError} `invalid-option`, `unsupported`, `worker-missing`, `wasm-missing`, `blocked-by-csp`, `build-mismatch`,
 * `worker-failed` or `aborted`.
 */
export async function open(options: OpenOptions): Promise<Bus> {
    checkOptions(options);
    const { channel, workerUrl, wasmUrl, signal, durability = 'relaxed', role = 'auto', persist = 'auto' } = options;
    if (signal?.aborted) {
        throw aborted(signal);
    }
    let it = shared.get(channel);
    const isFirst = !it || it.hub.failure !== undefined;
    if (!it || isFirst) {
        it = { hub: new Hub({ channel, workerUrl, wasmUrl, durability, role, persist }), users: 0 };
        shared.set(channel, it);
    } else if (it.hub.options.durability !== durability || it.hub.options.role !== role) {
        const there = it.hub.options;
        throw invalid(`This page has ${channel} open already, with durability ${there.durability} and role ${there.role}.`);
    }
    it.users += 1;
    const bus = new Bus(it.hub);
    try {
        await bus.opened(signal);
    } catch (error) {
        await bus.close();
        // The URLs of another caller may have been wrong while these are right.
        const there = it.hub.options;
        if (!isFirst && error === it.hub.failure && (there.workerUrl !== workerUrl || there.wasmUrl !== wasmUrl)) {
            return open(options);
        }
        throw error;
    }
    return bus;
}

function release(hub: Hub): void {
    const it = shared.get(hub.options.channel);
    if (it?.hub !== hub) {
        return hub.close();
    }
    it.users -= 1;
    if (it.users === 0) {
        shared.delete(hub.options.channel);
        hub.close();
    }
}

/** A page's connection to a channel. */
export class Bus extends Emitter<BusEvents> implements AsyncDisposable {
    readonly #hub: Hub;
    readonly #listener: HubListener;
    readonly #clients = new Set<Client>();
    readonly #ports = new Set<MessagePort>();
    #term: number | undefined;
    #isClosed = false;

    /** @internal */
    constructor(hub: Hub) {
        super();
        this.#hub = hub;
        let opened = 0;
        this.#listener = {
            opened: () => {
                opened += 1;
                if (opened > 1) {
                    this.emit('reopen');
                }
            },
            role: (role, before) => {
                if (nameOf(role) !== nameOf(before)) {
                    this.emit('role', nameOf(role));
                }
                this.#onTerm(role);
            },
            roster: (tabs) => this.emit('roster', tabs.map(tab)),
            storage: (event) => {
                this.emit('storage', event);
                const fault = storageFault(event);
                if (fault !== undefined) {
                    this.fault(fault);
                }
            },
            stopped: () => this.#endPorts(),
            // Before that, `open` rejects with this error.
            failed: (error) => opened > 0 && this.fault(error),
        };
        hub.listeners.add(this.#listener);
        if (hub.isOpen) {
            opened = 1;
        }
        this.#onTerm(hub.role);
    }

    get channel(): string {
        return this.#hub.options.channel;
    }

    /** This tab's id on the channel. It changes after the page was in the back/forward cache or frozen. */
    get tabId(): string | undefined {
        return this.#hub.tabId;
    }

    /** Role of this tab: `broker`, `client` of another tab's broker, or `waiting` for one. */
    get role(): BusRole {
        return nameOf(this.#hub.role);
    }

    /** All known tabs of the channel, including this one. */
    get roster(): readonly Tab[] {
        return this.#hub.roster.map(tab);
    }

    /** State of the broker's storage, and of this site's storage in the browser. */
    get storage(): BusStorage {
        return { state: this.#hub.storage, ...this.#hub.persistence };
    }

    /**
     * Connects a client. It stays connected when the broker moves to another tab.
     *
     * @throws {TabmqError} `refused`, `invalid-option`, `too-large`, `aborted` or `closed`.
     */
    async connect(options: ConnectOptions = {}): Promise<Client> {
        this.#check();
        checkObject(options);
        checkSignal(options);
        const client = new Client(this.#hub, options, () => this.#clients.delete(client));
        this.#clients.add(client);
        await client.whenConnected(options.signal);
        return client;
    }

    /**
     * Opens a port for MQTT 5.0, 3.1.1 or 3.1 in bytes. Post packets as `Uint8Array` or `ArrayBuffer`, split anywhere. Each message
     * from the port is a whole packet, a `Uint8Array`. `null` ends the stream in both directions. The port stays open when the broker
     * moves, as long as the next broker has the session.
     */
    async openPort(options: { signal?: AbortSignal | undefined } = {}): Promise<MessagePort> {
        checkObject(options);
        checkSignal(options);
        await this.opened(options.signal);
        return this.attach(false);
    }

    /** For MQTT.js: `mqtt.connect('ws://tabs.local', { createWebsocket: bus.createWebsocket })`. */
    readonly createWebsocket = (url: string, _protocols?: string | string[], options?: unknown): PortSocket =>
        new PortSocket(() => this.opened().then(() => this), url, this.channel, options as SocketClient | undefined);

    /** Closes all clients and ports of this bus. The tab leaves the channel with its last bus. Later calls do nothing. */
    async close(): Promise<void> {
        if (this.#isClosed) {
            return;
        }
        this.#isClosed = true;
        // A client that fails to disconnect still ends.
        await Promise.all([...this.#clients].map((client) => client.endAsync().catch(() => undefined)));
        this.#endPorts();
        this.#hub.listeners.delete(this.#listener);
        release(this.#hub);
        this.emit('close');
    }

    [Symbol.asyncDispose](): Promise<void> {
        return this.close();
    }

    /** @internal Resolves once a worker has joined the channel. */
    opened(signal?: AbortSignal): Promise<void> {
        return new Promise((resolve, reject) => {
            const hub = this.#hub;
            const settle = (): boolean => {
                if (hub.failure !== undefined) {
                    reject(hub.failure);
                } else if (this.#isClosed) {
                    reject(new TabmqError('closed', 'The bus is closed.'));
                } else if (signal?.aborted) {
                    reject(aborted(signal));
                } else if (hub.isOpen) {
                    resolve();
                } else {
                    return false;
                }
                hub.listeners.delete(listener);
                signal?.removeEventListener('abort', settle);
                this.off('close', settle);
                return true;
            };
            const listener: HubListener = { opened: settle, failed: settle };
            if (!settle()) {
                hub.listeners.add(listener);
                signal?.addEventListener('abort', settle);
                this.on('close', settle);
            }
        });
    }

    /** @internal An MQTT port of the worker. With `credit`, it reports accepted byte counts and the reason of its end. */
    attach(credit: boolean): MessagePort {
        this.#check();
        const { port1, port2 } = new MessageChannel();
        if (!this.#hub.attach(port2, credit)) {
            throw this.#hub.failure ?? new TabmqError('closed', 'There is no worker while the page is hidden.');
        }
        this.#ports.add(port1);
        port1.addEventListener('message', ({ data }) => data === null && this.#ports.delete(port1));
        return port1;
    }

    /** @internal Removes a port that the page has closed. */
    forget(port: MessagePort): void {
        this.#ports.delete(port);
    }

    /** @internal */
    fault(error: TabmqError): void {
        const { reported } = this.#hub;
        if (this.hasListeners('error') || !reported.has(error.code)) {
            reported.add(error.code);
            this.emit('error', error);
        }
    }

    #onTerm(role: Role): void {
        const it = typeof role === 'string' ? undefined : 'Broker' in role
            ? { term: role.Broker.term, broker: this.#hub.tabId }
            : { term: role.Client.term, broker: role.Client.broker };
        if (it !== undefined && it.term !== this.#term) {
            const isFirst = this.#term === undefined;
            this.#term = it.term;
            if (!isFirst) {
                this.emit('failover', it);
            }
        }
    }

    /** Ends the ports. The worker that held their other ends is gone without a message. */
    #endPorts(): void {
        for (const port of this.#ports) {
            port.dispatchEvent(new MessageEvent('message', { data: null }));
            port.close();
        }
        this.#ports.clear();
    }

    #check(): void {
        if (this.#hub.failure !== undefined) {
            throw this.#hub.failure;
        }
        if (this.#isClosed) {
            throw new TabmqError('closed', 'The bus is closed.');
        }
    }
}

function nameOf(role: Role): BusRole {
    return typeof role === 'string' ? 'waiting' : 'Broker' in role ? 'broker' : 'client';
}

function tab(it: TabInfo): Tab {
    return {
        tabId: it.tab_id,
        isSelf: it.is_self,
        isBroker: it.is_broker,
        since: it.since,
        lastSeen: it.last_seen,
        visible: it.visibility === 'visible',
        clients: it.clients,
        build: it.build,
        durability: it.durability,
        storage: it.storage,
    };
}
