// Hooks for React 18 and later. In StrictMode, a component that is mounted twice opens the bus once.

import { type ReactNode, createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';

import { type Bus, type BusRole, type OpenOptions, type Tab, open } from './bus.js';
import type { Client, Connack } from './client.js';
import { type ConnectOptions, type PublishOptions, type SubscribeOptions, copyOf } from './client-options.js';
import { TabmqError } from './errors.js';
import type { Bytes, Message } from './message.js';

/** Result of `useBus`. */
export interface BusState {
    /** `undefined` until the bus is open, and after it failed. */
    readonly bus: Bus | undefined;
    /** `undefined` until the client is connected, and after it ended. */
    readonly client: Client | undefined;
    /** The last error of the bus or of the client. If there is a `client`, the bus still works. */
    readonly error: TabmqError | undefined;
}

export interface SubscriptionState {
    /** The last messages, newest last, at most `limit`. */
    readonly messages: readonly Message[];
    readonly latest: Message | undefined;
    /** `pending` until the broker answers, and while the filter is `null`. */
    readonly status: 'pending' | 'subscribed' | 'failed';
    readonly error: TabmqError | undefined;
    /** Removes the messages. */
    clear(): void;
}

/** A channel to open, or an open bus; and the options of the client. Only `channel` and `bus` may change later. */
export type BusProviderProps = { client?: Omit<ConnectOptions, 'signal'> | undefined; children?: ReactNode } & (
    | Omit<OpenOptions, 'signal'> & { bus?: undefined }
    /** It stays open when the provider is unmounted. A bus of `tabmq/inline` is accepted. */
    | { bus: Bus; channel?: undefined }
);

/** Publishes on the bus. */
export type Publish = (topic: string, payload: Bytes | string, options?: PublishOptions) => Promise<number>;

const NOTHING: BusState = { bus: undefined, client: undefined, error: undefined };
const Context = createContext<{ readonly state: BusState; readonly publish: Publish } | undefined>(undefined);

/** Keeps published messages until there is a client. */
class Outbox {
    #client: Client | undefined;
    #failure: TabmqError | undefined;
    #waiting: Array<{ send(client: Client): void; reject(error: TabmqError): void }> = [];
    #isMounted = false;

    readonly publish: Publish = async (topic, payload, options) => {
        if (this.#client !== undefined) {
            return this.#client.publishAsync(topic, payload, options);
        }
        if (this.#failure !== undefined) {
            throw this.#failure;
        }
        // Copied: the caller may reuse its buffer.
        const kept = typeof payload === 'string' ? payload : copyOf(payload, 'The payload');
        return new Promise((resolve, reject) => {
            this.#waiting.push({ send: (client) => void client.publishAsync(topic, kept, options).then(resolve, reject), reject });
        });
    };

    mount(): void {
        this.#isMounted = true;
        this.#failure = undefined;
    }

    /** Waits a microtask before it fails, because StrictMode mounts again at once. */
    unmount(): void {
        this.#isMounted = false;
        this.#client = undefined;
        queueMicrotask(() => this.#isMounted || this.fail(new TabmqError('closed', 'The <BusProvider> was unmounted.')));
    }

    connect(client: Client): void {
        this.#client = client;
        this.#waiting.splice(0).forEach((it) => it.send(client));
    }

    fail(error: TabmqError): void {
        this.#client = undefined;
        this.#failure = error;
        this.#waiting.splice(0).forEach((it) => it.reject(error));
    }
}

/** Provides the bus of a channel, and one client on it, to the components inside. */
export function BusProvider({ children, client: clientOptions, bus: existing, ...options }: BusProviderProps): ReactNode {
    const [state, setState] = useState<BusState>(NOTHING);
    const given = useRef({ options, clientOptions });
    given.current = { options, clientOptions };
    const outbox = useMemo(() => new Outbox(), [options.channel, existing]);
    useEffect(() => {
        const ending = new AbortController();
        const { signal } = ending;
        const fail = (error: TabmqError): void => {
            if (!signal.aborted) {
                outbox.fail(error);
                setState((it) => ({ ...it, client: undefined, error }));
            }
        };
        const onError = (error: TabmqError): void => setState((it) => ({ ...it, error }));
        let bus: Bus | undefined;
        let client: Client | undefined;
        const run = async (): Promise<void> => {
            bus = existing ?? await open({ ...given.current.options as OpenOptions, signal });
            bus.on('error', onError);
            setState({ bus, client: undefined, error: undefined });
            client = await bus.connect({ ...given.current.clientOptions, signal });
            if (signal.aborted) {
                return client.endAsync();
            }
            let failure: TabmqError | undefined;
            client.on('error', (error) => {
                // An error that ends the client precedes `end` directly.
                failure = error;
                queueMicrotask(() => { failure = undefined; });
                onError(error);
            });
            client.on('end', () => fail(failure ?? new TabmqError('closed', 'The client was ended.')));
            outbox.connect(client);
            setState({ bus, client, error: undefined });
        };
        outbox.mount();
        run().catch(fail);
        return () => {
            ending.abort();
            outbox.unmount();
            setState(NOTHING);
            bus?.off('error', onError);
            void (existing === undefined ? bus?.close() : client?.endAsync());
        };
    }, [outbox]);
    const value = useMemo(() => ({ state, publish: outbox.publish }), [state, outbox]);
    return createElement(Context.Provider, { value }, children);
}

/** The bus, its client, and the last error. */
export function useBus(): BusState {
    return useInside().state;
}

function useInside(): { readonly state: BusState; readonly publish: Publish } {
    const inside = useContext(Context);
    if (inside === undefined) {
        throw new TabmqError('invalid-option', 'Hooks of TabMQ need a <BusProvider> around them.');
    }
    return inside;
}

/** Role of this tab: `broker`, `client` of another tab's broker, or `waiting` for one. */
export function useRole(): BusRole {
    const { bus } = useBus();
    const subscribe = useCallback((hear: () => void) => {
        bus?.on('role', hear);
        return () => void bus?.off('role', hear);
    }, [bus]);
    return useSyncExternalStore(subscribe, () => bus?.role ?? 'waiting', () => 'waiting');
}

/** All tabs of the channel. */
export function useRoster(): readonly Tab[] {
    const { bus } = useBus();
    const [roster, setRoster] = useState<readonly Tab[]>([]);
    useEffect(() => {
        if (bus === undefined) {
            return setRoster([]);
        }
        setRoster(bus.roster);
        bus.on('roster', setRoster);
        return () => void bus.off('roster', setRoster);
    }, [bus]);
    return roster;
}

/**
 * Publishes on the bus. Before the client is connected, messages wait, and leave in the order of the calls. They reject if the bus
 * fails, or if the provider is unmounted.
 */
export function usePublish(): Publish {
    return useInside().publish;
}

/**
 * The messages of a topic filter while the component is mounted, with at most one render per animation frame. It reads nothing while
 * the filter is `null`.
 */
export function useSubscription(filter: string | null, options: SubscribeOptions & { limit?: number } = {}): SubscriptionState {
    const { limit = 100, ...subscribeOptions } = options;
    const { bus } = useBus();
    const arrived = useRef<Message[]>([]);
    const [messages, setMessages] = useState<readonly Message[]>([]);
    const state = useMessages(filter, subscribeOptions, useCallback((message) => {
        arrived.current.push(message);
        arrived.current.splice(0, arrived.current.length - limit);
    }, [limit]), useCallback(() => setMessages([...arrived.current]), []));
    const clear = useCallback(() => {
        arrived.current = [];
        setMessages([]);
    }, []);
    useEffect(() => clear, [bus, filter, clear]);
    return { ...state, messages, latest: messages.at(-1), clear };
}

/** The last message of each matching topic, retained or new. A deleted retained message disappears. */
export function useRetained(filter: string | null, options: Pick<SubscribeOptions, 'qos'> = {}): ReadonlyMap<string, Message> {
    const { bus } = useBus();
    const last = useRef(new Map<string, Message>());
    const [shown, setShown] = useState<ReadonlyMap<string, Message>>(new Map());
    useMessages(filter, { qos: options.qos }, useCallback((message) => {
        if (message.payload.length === 0) {
            last.current.delete(message.topic);
        } else {
            last.current.set(message.topic, message);
        }
    }, []), useCallback(() => setShown(new Map(last.current)), []), useCallback(() => last.current.clear(), []));
    useEffect(() => () => {
        last.current.clear();
        setShown(new Map());
    }, [bus, filter]);
    return shown;
}

/** `onRenewal` is called when all retained messages are about to arrive again, without those that were deleted meanwhile. */
function useMessages(filter: string | null, options: SubscribeOptions, onMessage: (message: Message) => void, show: () => void, onRenewal?: () => void):
Pick<SubscriptionState, 'status' | 'error'> {
    const { bus, client } = useBus();
    const [state, setState] = useState<Pick<SubscriptionState, 'status' | 'error'>>({ status: 'pending', error: undefined });
    const { qos, nl, rap, rh } = options;
    const given = useMemo(() => ({ qos: qos ?? 0, nl: nl ?? false, rap: rap ?? false, rh: rh ?? 0 } as const), [qos, nl, rap, rh]);
    useEffect(() => {
        setState({ status: 'pending', error: undefined });
        if (bus === undefined || client === undefined || filter === null) {
            return;
        }
        let unschedule: (() => void) | undefined;
        let isMounted = true;
        const showSoon = (): void => {
            unschedule ??= schedule(() => {
                unschedule = undefined;
                show();
            });
        };
        const reading = client.read(filter, given, (message) => {
            onMessage(message);
            showSoon();
        });
        reading.granted.then(
            () => isMounted && setState({ status: 'subscribed', error: undefined }),
            (error) => isMounted && setState({ status: 'failed', error }),
        );
        const onConnect = ({ sessionPresent }: Connack): void => {
            if (!sessionPresent) {
                onRenewal?.();
            }
            showSoon();
        };
        if (onRenewal !== undefined) {
            bus.on('reopen', onRenewal);
            client.on('connect', onConnect);
        }
        return () => {
            isMounted = false;
            unschedule?.();
            if (onRenewal !== undefined) {
                bus.off('reopen', onRenewal);
                client.off('connect', onConnect);
            }
            void reading.release();
        };
    }, [bus, client, filter, given, onMessage, show, onRenewal]);
    return state;
}

/** Runs in the next animation frame, or after 250 ms in a hidden page. Returns a function that cancels it. */
function schedule(run: () => void): () => void {
    const cancel = (): void => {
        cancelAnimationFrame(frame);
        clearTimeout(timer);
    };
    const once = (): void => {
        cancel();
        run();
    };
    const frame = requestAnimationFrame(once);
    const timer = setTimeout(once, 250);
    return cancel;
}
