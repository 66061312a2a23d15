import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/core/logger.js';
import { EmbeddedSipServer } from '../../src/sip/embedded-server.js';
import { eventually } from '../helpers/eventually.js';
import { fixtureBytes, fixtureNames } from '../helpers/siprec-fixture.js';
import { type OpenDoor, openDoor } from './door-fixture.js';

const REFUSED: Readonly<Record<string, number>> = {
  'cisco-required-unknown-part': 415,
};

let door: OpenDoor;
let server: EmbeddedSipServer;

beforeAll(async () => {
  door = openDoor();
  server = new EmbeddedSipServer({
    host: '127.0.0.1',
    udpPorts: [0],
    tcpPorts: [],
    handlers: door.handlers,
    logger: silentLogger,
    metrics: door.metrics,
    serverName: 'sipscribe-test',
  });
  await server.start();
});

afterAll(() => server.stop());

/** Sends the fixture as it is, but for the address that responses go to; gives the first final response. */
async function send(name: string): Promise<{ status: number; text: string }> {
  const socket = createSocket('udp4');
  try {
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const received: string[] = [];
    socket.on('message', (bytes) => received.push(bytes.toString('utf8')));
    const sentBy = `127.0.0.1:${socket.address().port}`;
    const bytes = Buffer.from(
      fixtureBytes(name)
        .toString('latin1')
        .replace(/(SIP\/2\.0\/)(?:UDP|TCP) [\d.]+:5060/, `$1UDP ${sentBy}`),
      'latin1',
    );
    socket.send(bytes, server.addresses[0]?.port ?? 0, '127.0.0.1');
    const text = await eventually(`a final response to ${name}`, () =>
      received.find((message) => /^SIP\/2\.0 [2-6]/.test(message)),
    );
    return { status: Number(text.slice(8, 11)), text };
  } finally {
    socket.close();
  }
}

describe('the messages of vendors, sent over UDP to the embedded server', () => {
  it.each(fixtureNames)('%s gets the right final response', async (name) => {
    const { status, text } = await send(name);
    expect(status).toBe(REFUSED[name] ?? 200);
    if (status !== 200) return;
    expect(text).toMatch(/^Contact: <sip:[^>]+>;\+sip\.srs\r$/im);
    expect(text).toMatch(/^Content-Type: application\/sdp\r$/im);
    const offered = fixtureBytes(name).toString('latin1').match(/^m=/gm)?.length ?? 1;
    expect(text.match(/^m=/gm)).toHaveLength(offered);
    expect(Buffer.byteLength(text)).toBeLessThan(1300);
  });
});
