// Owns the tab's worker for one channel. All buses of the channel share it.

import { Reader, Writer } from './bincode.js';
import { TabmqError, lockHeld, problem } from './errors.js';
import {
    type BusStorageEvent, type Persist, changeOf, fromWorker, keepLog, knownLog, persistence, stateAfter, storageEvent,
} from './storage.js';
import { type Candidacy, type ClientNotice, Command, type Durability, type Notice, type Role, type StorageState, type TabInfo, readNotice } from './wire.js';
import { type ScriptUrl, type Started, checkBrowser, hello, notLoaded, startWorker } from './worker-url.js';

/** Name of this build. The worker must be of the same build. */
declare const BUILD: string;

export interface HubOptions {
    readonly channel: string;
    readonly workerUrl: ScriptUrl | undefined;
    readonly wasmUrl: string | URL | undefined;
    readonly durability: Durability;
    readonly role: Candidacy;
    readonly persist: Persist;
}

/** Callbacks for events of the worker. */
export interface HubListener {
    /** A worker joined the channel. It knows nothing of earlier workers: send it everything again. */
    opened?(): void;
    role?(role: Role, before: Role): void;
    roster?(tabs: readonly TabInfo[]): void;
    storage?(event: BusStorageEvent): void;
    /** The worker ended. There is none as long as the page is hidden. */
    stopped?(): void;
    failed?(error: TabmqError): void;
}

/** Receives the notices of one client of this page. */
export type ClientListener = (notice: ClientNotice) => void;

export class Hub {
    readonly options: HubOptions;
    tabId: string | undefined;
    role: Role = 'Waiting';
    roster: readonly TabInfo[] = [];
    failure: TabmqError | undefined;
    /** State of the broker's storage that the listeners know. */
    storage: StorageState = 'ok';
    persistence: Awaited<ReturnType<typeof persistence>> = { persistent: undefined, usage: undefined, quota: undefined };
    /** Codes of errors that reached a listener or were reported. */
    readonly reported = new Set<string>();
    readonly listeners = new Set<HubListener>();
    readonly #clients = new Map<number, ClientListener>();
    #running: { worker: Worker; port: MessagePort } | undefined;
    /** The commands of this turn of the event loop, and their number. */
    readonly #outbox = new Writer();
    #commands = 0;
    #lastClient = 0;
    #lastRequest = 0;
    readonly #ending = new AbortController();
    #policyViolation: string | undefined;

    constructor(options: HubOptions) {
        this.options = options;
        checkBrowser();
        const { signal } = this.#ending;
        // A suspended worker must hold no lock, so the page ends it and says goodbye to the other tabs itself.
        addEventListener('pagehide', () => this.#stop(), { signal });
        document.addEventListener('freeze', () => this.#stop(), { signal });
        addEventListener('pageshow', (event) => event.persisted && this.#start(), { signal });
        document.addEventListener('resume', () => this.#start(), { signal });
        document.addEventListener('visibilitychange', () => Command.Visibility(this.#begin(), visibility()), { signal });
        document.addEventListener('securitypolicyviolation', (event) => {
            if (/^(worker|script|child|default)-src/.test(event.effectiveDirective)) {
                this.#policyViolation = event.effectiveDirective;
            }
        }, { signal });
        this.#start();
    }

    get isOpen(): boolean {
        return this.tabId !== undefined;
    }

    /** Ends the worker for good. */
    close(): void {
        this.#ending.abort();
        this.#stop();
        this.listeners.clear();
        this.#clients.clear();
    }

    /**
     * Begins a command of a client of this page: the caller writes the `ClientCommand` next. All commands of one turn of the event loop
     * go to the worker in one message.
     */
    begin(no: number): Writer {
        const to = this.#begin();
        Command.Client(to, no);
        return to;
    }

    /** Registers a client of this page, and returns its number. */
    addClient(listener: ClientListener): number {
        this.#lastClient += 1;
        this.#clients.set(this.#lastClient, listener);
        return this.#lastClient;
    }

    removeClient(no: number): void {
        this.#clients.delete(no);
    }

    nextRequest(): number {
        this.#lastRequest += 1;
        return this.#lastRequest;
    }

    /** Transfers an MQTT port to the worker. Returns `false` without a worker. */
    attach(port: MessagePort, credit: boolean): boolean {
        if (this.#running === undefined || !this.isOpen) {
            return false;
        }
        this.#running.worker.postMessage({ tabmq: 'mqtt', port, credit }, [port]);
        return true;
    }

    #start(): void {
        if (this.#running !== undefined || this.#ending.signal.aborted) {
            return;
        }
        let started: Started;
        try {
            started = startWorker(this.options.workerUrl);
        } catch (error) {
            return this.#fail(error as TabmqError);
        }
        const { worker, url } = started;
        const { port1, port2 } = new MessageChannel();
        const running = { worker, port: port1 };
        this.#running = running;
        const isCurrent = (): boolean => this.#running === running;
        worker.addEventListener('error', (event) => isCurrent() && this.#onWorkerError(event, url));
        hello(started, isCurrent).then(
            (build) => isCurrent() && build !== BUILD && this.#fail(mismatch()),
            (error) => isCurrent() && this.#fail(error),
        );
        port1.onmessage = ({ data }) => isCurrent() && this.#onMessage(data);
        const wasmUrl = this.options.wasmUrl;
        worker.postMessage({ tabmq: 'start', wasmUrl: wasmUrl === undefined ? undefined : String(new URL(wasmUrl, document.baseURI)), port: port2 }, [port2]);
        const { channel, durability, role } = this.options;
        this.#outbox.take();
        this.#commands = 0;
        Command.Open(this.#begin(), { channel, visibility: visibility(), durability, candidacy: role, known_log: knownLog(channel) });
        this.#lookAtPersistence();
    }

    #stop(): void {
        const running = this.#running;
        if (running === undefined) {
            return;
        }
        this.#running = undefined;
        running.worker.terminate();
        running.port.close();
        if (this.tabId !== undefined) {
            // A message that a worker posts right before its end may be lost.
            const control = new BroadcastChannel(`${this.options.channel}-control`);
            control.postMessage({ type: 'goodbye', tabId: this.tabId });
            control.close();
        }
        this.tabId = undefined;
        this.storage = 'ok';
        this.#setRole('Waiting');
        this.#notify((it) => it.stopped?.());
    }

    #begin(): Writer {
        if (this.#commands === 0) {
            // Room for their number.
            this.#outbox.u64(0);
            queueMicrotask(() => this.#flush());
        }
        this.#commands += 1;
        return this.#outbox;
    }

    #flush(): void {
        if (this.#commands > 0) {
            this.#outbox.patchU64(0, this.#commands);
            this.#commands = 0;
            const bytes = this.#outbox.take();
            this.#running?.port.postMessage(bytes, [bytes.buffer]);
        }
    }

    #onMessage(data: unknown): void {
        if (!ArrayBuffer.isView(data)) {
            const { code, message } = data as { code: TabmqError['code']; message: string };
            return this.#fail(new TabmqError(code, message));
        }
        let notices: Notice[];
        try {
            const from = new Reader(data as Uint8Array);
            notices = from.list(() => readNotice(from));
            from.end();
        } catch (cause) {
            return this.#fail(mismatch(cause));
        }
        for (const notice of notices) {
            this.#onNotice(notice);
        }
    }

    #onNotice(notice: Notice): void {
        if ('Client' in notice) {
            const [no, client] = notice.Client;
            this.#clients.get(no)?.(client);
        } else if ('Opened' in notice) {
            const { tab_id, build } = notice.Opened;
            if (build !== BUILD) {
                return this.#fail(mismatch());
            }
            this.tabId = tab_id;
            this.#notify((it) => it.opened?.());
        } else if ('Role' in notice) {
            this.#setRole(notice.Role);
        } else if ('Members' in notice) {
            this.roster = notice.Members;
            this.#onBroker(this.roster.find((it) => it.is_broker));
            this.#notify((it) => it.roster?.(this.roster));
        } else if ('Event' in notice) {
            const { kind } = notice.Event;
            const event = fromWorker(kind);
            if (typeof kind === 'object' && 'LockHeld' in kind) {
                const error = lockHeld(kind.LockHeld);
                this.#notify((it) => it.failed?.(error));
            } else if (event !== undefined) {
                this.storage = stateAfter(event.kind) ?? this.storage;
                this.#onStorage(event);
            }
        } else if ('Log' in notice) {
            keepLog(this.options.channel, notice.Log.identity);
        } else if ('Refused' in notice) {
            const error = problem(notice.Refused);
            return this.isOpen ? this.#notify((it) => it.failed?.(error)) : this.#fail(error);
        } else if ('CreditCheckpoint' in notice) {
            Command.Acknowledge(this.#begin(), notice.CreditCheckpoint);
        }
    }

    /** Compares the storage state that the broker announces. In its own tab, an event has already set it. */
    #onBroker(broker: TabInfo | undefined): void {
        const before = this.storage;
        const state = broker?.storage ?? before;
        if (state !== before) {
            this.storage = state;
            // A tab that wants no storage gets no events of it.
            if (this.options.durability !== 'memory') {
                this.#onStorage(storageEvent(changeOf(before, state)));
            }
        }
    }

    #onStorage(event: BusStorageEvent): void {
        this.#lookAtPersistence();
        this.#notify((it) => it.storage?.(event));
    }

    #lookAtPersistence(): void {
        if (this.options.durability !== 'memory') {
            void persistence(this.options.persist).then((it) => { this.persistence = it; });
        }
    }

    #setRole(role: Role): void {
        // Without a worker, the other tabs are unknown.
        if (this.#running === undefined && this.roster.length > 0) {
            this.roster = [];
            this.#notify((it) => it.roster?.(this.roster));
        }
        const before = this.role;
        this.role = role;
        if (JSON.stringify(role) !== JSON.stringify(before)) {
            this.#notify((it) => it.role?.(role, before));
        }
    }

    #onWorkerError(event: ErrorEvent, url: string | undefined): void {
        event.preventDefault();
        // An error without a message means that the script did not load. The policy violation arrives after the error.
        setTimeout(() => {
            if (event.message) {
                this.#fail(new TabmqError('worker-failed', `The worker ended with an error: ${event.message}`));
            } else {
                this.#fail(notLoaded(url, this.#policyViolation));
            }
        }, 50);
    }

    #fail(error: TabmqError): void {
        if (this.failure !== undefined || this.#ending.signal.aborted) {
            return;
        }
        this.failure = error;
        this.#running?.worker.terminate();
        this.#running?.port.close();
        this.#running = undefined;
        this.tabId = undefined;
        this.storage = 'ok';
        this.#setRole('Waiting');
        this.#notify((it) => it.failed?.(error));
        this.#notify((it) => it.stopped?.());
    }

    #notify(how: (listener: HubListener) => void): void {
        for (const listener of [...this.listeners]) {
            how(listener);
        }
    }
}

function mismatch(cause?: unknown): TabmqError {
    return new TabmqError('build-mismatch', "TabMQ's page and worker are of different builds. Deploy both of one version, "
        + 'and see that no cache keeps an old one.', { cause });
}

function visibility(): 'visible' | 'hidden' {
    return document.visibilityState === 'visible' ? 'visible' : 'hidden';
}
