import type { ListenAddress } from '../sip-server.js';

/** Where drachtio-server listens, as it says after the secret: `udp/192.0.2.1:5060,tcp/[2001:db8::1]:5060`. What is unknown is left out. */
export function parseHostPorts(text: string): readonly ListenAddress[] {
  return text.split(',').flatMap((item) => {
    const match = /^\s*(udp|tcp|tls)\/(?:\[([0-9A-Fa-f:.]+)\]|([^:\s]+)):(\d{1,5})/i.exec(item);
    const transport = match?.[1]?.toLowerCase();
    const host = match?.[2] ?? match?.[3];
    if (host === undefined || (transport !== 'udp' && transport !== 'tcp' && transport !== 'tls')) return [];
    return [{ transport, host, port: Number(match?.[4]) }];
  });
}
