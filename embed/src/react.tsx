// Hooks for React 18 and later. They do no harm in StrictMode: what is mounted twice is opened once.

import { type ReactNode, createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';

import { type Bus, type BusRole, type OpenOptions, type Tab, open } from './bus.js';
import type { Client, Connack } from './client.js';
import { type ConnectOptions, type PublishOptions, type SubscribeOptions, bytesOf } from './client-options.js';
import { TabmqError } from './errors.js';
import type { Bytes, Message } from './message.js';

/** What `useBus` returns. */
export interface BusState {
    /** `undefined` until it is open, and after it failed. */
    readonly bus: Bus | undefined;
    /** `undefined` until it is connected, and after it ended. */
    readonly client: Client | undefined;
    /** The last error of the bus or of the client. With a `client`, the bus works nevertheless. */
    readonly error: TabmqError | undefined;
}

export interface SubscriptionState {
    /** The last ones, newest last, `limit` of them at most. */
    readonly messages: readonly Message[];
    readonly latest: Message | undefined;
    /** `pending` until the broker has answered, and as long as the filter is `null`. */
    readonly status: 'pending' | 'subscribed' | 'failed';
    readonly error: TabmqError | undefined;
    /** Forgets the messages. */
    clear(): void;
}

/** A channel to open, or a bus that is open already; and the options of the client. All but `channel` and `bus` are read once. */
export type BusProviderProps = { client?: Omit<ConnectOptions, 'signal'> | undefined; children?: ReactNode } & (
    | Omit<OpenOptions, 'signal'> & { bus?: undefined }
    /** It stays open when the provider is unmounted. It may be one of `tabmq/inline`. */
    | { bus: Bus; channel?: undefined }
);

/** Publishes on the bus. */
export type Publish = (topic: string, payload: Bytes | string, options?: PublishOptions) => Promise<number>;

const NOTHING: BusState = { bus: undefined, client: undefined, error: undefined };
const Context = createContext<{ readonly state: BusState; readonly publish: Publish } | undefined>(undefined);

/** Keeps what components publish until there is a client. */
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
        // The caller may go on with its buffer.
        const kept = typeof payload === 'string' ? payload : bytesOf(payload, 'The payload');
        return new Promise((resolve, reject) => {
            this.#waiting.push({ send: (client) => void client.publishAsync(topic, kept, options).then(resolve, reject), reject });
        });
    };

    mount(): void {
        this.#isMounted = true;
        this.#failure = undefined;
    }

    /** StrictMode mounts again at once. Then nothing is lost. */
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

/** Gives the bus of a channel, and one client on it, to everything inside. */
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
                // One that ends the client comes right before the end.
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

/** The bus, its client, or what went wrong. */
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

/** What this tab is: the broker, a client of another tab's, or waiting for one. */
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
 * Publishes on the bus. Before the client is connected, messages wait and go out in the order of the calls. They are rejected if the
 * bus fails, or if the provider is unmounted.
 */
export function usePublish(): Publish {
    return useInside().publish;
}

/**
 * The messages of a topic filter while the component is mounted, at most one render per animation frame. It reads nothing as long as the
 * filter is `null`.
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

/** The last message of each topic that matches, retained or new; a retained message that was deleted is gone. */
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

/** `onRenewal`: all retained messages come once more, and what was deleted meanwhile does not. */
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

/** Runs with the next animation frame, or without one in a page that nobody sees. Returns what prevents it. */
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
