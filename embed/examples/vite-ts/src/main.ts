import { type Message, TabmqError, open } from 'tabmq';

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const show = (error: unknown): void => {
    element('error').textContent = error instanceof TabmqError ? `${error.code}: ${error.message}` : String(error);
};

async function main(): Promise<void> {
    const bus = await open({ channel: 'chat' });
    const role = element<HTMLOutputElement>('role');
    bus.on('role', (it) => { role.value = it; });
    role.value = bus.role;
    const client = await bus.connect();
    client.on('message', (_topic: string, _payload: Uint8Array, message: Message) => {
        element('messages').append(Object.assign(document.createElement('li'), { textContent: message.text() }));
    });
    await client.subscribeAsync('chat/#', { qos: 1 });
    element<HTMLFormElement>('form').addEventListener('submit', (event) => {
        event.preventDefault();
        client.publishAsync('chat/all', element<HTMLInputElement>('text').value, { qos: 1 }).catch(show);
    });
    document.body.dataset['ready'] = 'true';
}

main().catch(show);
