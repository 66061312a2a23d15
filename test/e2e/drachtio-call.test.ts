import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { placeRecordingCall } from '../../src/client/recording-client.js';
import { DrachtioEmulator } from '../helpers/drachtio-emulator/drachtio-emulator.js';
import { eventually } from '../helpers/eventually.js';
import { findSent } from '../helpers/recording-check.js';
import { startTestServer, type TestServer } from '../helpers/test-server.js';
import { demoVoice } from '../helpers/voices.js';

const caller = demoVoice('caller', 0, 3_000);
const agent = demoVoice('agent', 0, 3_000);
let emulator: DrachtioEmulator;
let server: TestServer | undefined;

beforeEach(async () => {
  emulator = await DrachtioEmulator.start({ secret: 'between us' });
  server = await startTestServer({
    DRACHTIO_HOST: '127.0.0.1',
    DRACHTIO_PORT: String(emulator.adminPort),
    DRACHTIO_SECRET: 'between us',
  });
});

afterEach(async () => {
  await server?.stop();
  await emulator?.die();
});

function running(): TestServer {
  if (server === undefined) throw new Error('the server did not start');
  return server;
}

const place = (transport: 'udp' | 'tcp', callId: string, hold?: { atMs: number; forMs: number }) =>
  placeRecordingCall({
    target: { host: '127.0.0.1', port: running().sip[transport], transport },
    callId,
    legs: [
      { label: '1', participant: { name: 'Ada Caller', aor: 'sip:ada@example.com' }, audio: caller },
      { label: '2', participant: { name: 'Ben Desk', aor: 'sip:ben@example.com' }, audio: agent },
    ],
    ...(hold === undefined ? {} : { hold }),
  });

it.each(['udp', 'tcp'] as const)(
  'a call through drachtio is recorded whole and transcribed (%s)',
  async (transport) => {
    const report = await place(transport, `whole-${transport}`);
    expect(report.outcome).toBe('completed');
    const ended = await running().ended(report.callId);
    expect(ended.reason).toBe('bye');
    const record = running().record(ended);
    expect(record.legs.map(({ speaker }) => speaker.name)).toEqual(['Ada Caller', 'Ben Desk']);
    expect(record.warnings).toEqual([]);
    expect(findSent(join(running().folder(ended), 'leg-1.wav'), caller).offset).toBeGreaterThanOrEqual(0);
    expect(findSent(join(running().folder(ended), 'leg-2.wav'), agent).offset).toBeGreaterThanOrEqual(0);
    expect(record.transcripts.map(({ text }) => text)).toContain('hello from the scripted model');
    expect(emulator.control.longest).toBeLessThan(4_096);
    expect(emulator.sip.dialogs).toBe(0);
  },
  60_000,
);

it('a call through drachtio is held and resumed by re-INVITE', async () => {
  const report = await place('udp', 'held', { atMs: 1_000, forMs: 500 });
  expect(report.outcome).toBe('completed');
  const record = running().record(await running().ended('held'));
  expect(record.legs.map(({ statistics }) => statistics?.packets)).toEqual(report.legs.map(({ packets }) => packets));
  const methods = report.responses.filter(({ status }) => status === 200).map(({ method }) => method);
  expect(methods).toEqual(['INVITE', 'INVITE', 'INVITE', 'BYE']);
}, 60_000);

it('a call whose drachtio-server dies keeps its audio, and health tells of it until the server is back', async () => {
  const placed = place('udp', 'cut');
  await eventually(
    'a second of audio has come',
    async () => (await running().metric('siprec_rtp_packets_received_total')) > 100,
  );
  await emulator.die();
  const ended = await running().ended('cut');
  expect(ended.reason).toBe('failed');
  expect(ended.durationMs).toBeGreaterThan(500);
  const health = async () => {
    const response = await fetch(`${running().http}/health/ready`);
    return { status: response.status, body: await response.text() };
  };
  expect((await health()).status).toBe(503);
  await emulator.rise();
  await eventually('health is good again', async () => (await health()).status === 200);
  expect((await placed).outcome).not.toBe('cancelled');
  const again = await place('tcp', 'after');
  expect(again.outcome).toBe('completed');
  expect((await running().ended('after')).reason).toBe('bye');
}, 60_000);
