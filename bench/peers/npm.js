// The npm packages, as one module for the page.
export { BroadcastChannel } from "broadcast-channel";
export { default as mqtt } from "mqtt";
