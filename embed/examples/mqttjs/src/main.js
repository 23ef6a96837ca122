import mqtt from 'mqtt';
import { tabs } from 'tabmq/mqttjs';

const element = (id) => document.getElementById(id);
const bus = tabs({ channel: 'chat' });
const client = mqtt.connect('ws://tabs.local', { ...bus, protocolVersion: 5 });

client.on('error', (error) => { element('error').textContent = error.message; });
client.on('connect', () => { element('role').value = 'connected'; });
client.on('message', (topic, payload) => {
    if (topic.startsWith('chat/')) {
        element('messages').append(Object.assign(document.createElement('li'), { textContent: String(payload) }));
    }
});
client.subscribe('chat/#', { qos: 1 }, () => { document.body.dataset.ready = 'true'; });
element('form').addEventListener('submit', (event) => {
    event.preventDefault();
    client.publish('chat/all', element('text').value, { qos: 1 });
});

// For tests and the console.
Object.assign(globalThis, { mqtt, tabs, client });
