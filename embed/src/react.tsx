// Hooks for React 18 and later. They do no harm in StrictMode: what is mounted twice is opened once.

import { type ReactNode, createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';

import { type Bus, type BusRole, type OpenOptions, type Tab, open } from './bus.js';
import type { Bytes, Client, ConnectOptions, Message, PublishOptions, SubscribeOptions } from './client.js';
import { TabmqError } from './errors.js';
import { matches } from './topics.js';

/** What `useBus` returns. */
export interface BusState {
    /** `undefined` until it is open, and after it failed. */
    readonly bus: Bus | undefined;
    /** `undefined` until it is connected. */
    readonly client: Client | undefined;
    readonly error: TabmqError | undefined;
}

export interface SubscriptionState {
    /** The last ones, newest last, `limit` of them at most. */
    readonly messages: readonly Message[];
    readonly latest: Message | undefined;
    readonly status: 'pending' | 'subscribed' | 'failed';
    readonly error: TabmqError | undefined;
    /** Forgets the messages. */
    clear(): void;
}

const NOTHING: BusState = { bus: undefined, client: undefined, error: undefined };
const Context = createContext<BusState | undefined>(undefined);

/**
 * Gives the bus of a channel, and one client on it, to everything inside. Options other than the channel are read once.
 */
export function BusProvider({ children, client: clientOptions, ...options }: OpenOptions & { client?: ConnectOptions; children?: ReactNode }): ReactNode {
    const [state, setState] = useState<BusState>(NOTHING);
    const given = useRef({ options, clientOptions });
    given.current = { options, clientOptions };
    useEffect(() => {
        const ending = new AbortController();
        let bus: Bus | undefined;
        const run = async (): Promise<void> => {
            const { signal } = ending;
            const { options: openOptions, clientOptions: connectOptions } = given.current;
            bus = await open({ ...openOptions, signal });
            if (signal.aborted) {
                return bus.close();
            }
            bus.on('error', (error) => setState((it) => ({ ...it, error })));
            setState({ bus, client: undefined, error: undefined });
            const client = await bus.connect({ ...connectOptions, signal });
            client.on('error', (error) => setState((it) => ({ ...it, client: undefined, error })));
            setState({ bus, client, error: undefined });
        };
        run().catch((error) => {
            if (!ending.signal.aborted) {
                setState((it) => ({ ...it, error }));
            }
        });
        return () => {
            ending.abort();
            setState(NOTHING);
            void bus?.close();
        };
    }, [options.channel]);
    return createElement(Context.Provider, { value: state }, children);
}

/** The bus, its client, or what went wrong. */
export function useBus(): BusState {
    const state = useContext(Context);
    if (state === undefined) {
        throw new TabmqError('invalid-option', 'Hooks of TabMQ need a <BusProvider> around them.');
    }
    return state;
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

/** Publishes on the bus; rejects with `not-connected` as long as there is no client. */
export function usePublish(): (topic: string, payload: Bytes | string, options?: PublishOptions) => Promise<number> {
    const { client } = useBus();
    return useCallback(async (topic, payload, options) => {
        if (client === undefined) {
            throw new TabmqError('not-connected', 'The bus is not connected yet.');
        }
        return client.publishAsync(topic, payload, options);
    }, [client]);
}

/** The messages of a topic filter while the component is mounted, at most one render per animation frame. */
export function useSubscription(filter: string, options: SubscribeOptions & { limit?: number } = {}): SubscriptionState {
    const { limit = 100, ...subscribeOptions } = options;
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
    useEffect(() => clear, [filter, clear]);
    return { ...state, messages, latest: messages.at(-1), clear };
}

/** The last message of each topic that matches, retained or new; a retained message that was deleted is gone. */
export function useRetained(filter: string, options: Pick<SubscribeOptions, 'qos'> = {}): ReadonlyMap<string, Message> {
    const last = useRef(new Map<string, Message>());
    const [shown, setShown] = useState<ReadonlyMap<string, Message>>(new Map());
    useMessages(filter, { ...options, rap: true }, useCallback((message) => {
        if (message.payload.length === 0) {
            last.current.delete(message.topic);
        } else {
            last.current.set(message.topic, message);
        }
    }, []), useCallback(() => setShown(new Map(last.current)), []));
    useEffect(() => () => {
        last.current.clear();
        setShown(new Map());
    }, [filter]);
    return shown;
}

function useMessages(filter: string, options: SubscribeOptions, onMessage: (message: Message) => void, show: () => void):
Pick<SubscriptionState, 'status' | 'error'> {
    const { client } = useBus();
    const [state, setState] = useState<Pick<SubscriptionState, 'status' | 'error'>>({ status: 'pending', error: undefined });
    const { qos, nl, rap, rh } = options;
    const given = useMemo(() => ({ qos: qos ?? 0, nl: nl ?? false, rap: rap ?? false, rh: rh ?? 0 } as const), [qos, nl, rap, rh]);
    useEffect(() => {
        setState({ status: 'pending', error: undefined });
        if (client === undefined) {
            return;
        }
        let unschedule: (() => void) | undefined;
        const hear = (topic: string, _payload: Uint8Array, message: Message): void => {
            if (matches(filter, topic)) {
                onMessage(message);
                unschedule ??= schedule(() => {
                    unschedule = undefined;
                    show();
                });
            }
        };
        client.on('message', hear);
        const hold = client.hold(filter, given);
        let isMounted = true;
        hold.subscribed.then(
            () => isMounted && setState({ status: 'subscribed', error: undefined }),
            (error) => isMounted && setState({ status: 'failed', error }),
        );
        return () => {
            isMounted = false;
            client.off('message', hear);
            unschedule?.();
            hold.release();
        };
    }, [client, filter, given, onMessage, show]);
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
